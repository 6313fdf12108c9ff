"""Sandbox sources: a seeded generator and servers that speak the real protocols.

Nothing here describes a real person or a real appeal. The same seed, size and ``as_of`` give the
same bytes; a later ``as_of`` extends what was there, because every random stream is keyed by
region and absolute date.
"""
