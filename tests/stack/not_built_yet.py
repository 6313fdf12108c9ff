"""Marts that requirements name and that are not built yet. Empty it as they come."""

NOT_BUILT_YET: frozenset[str] = frozenset()
