"""Clients: each reads one protocol and yields records page by page. None of them writes."""
