"""Who asks, as the policies of the warehouse want to be told."""

from __future__ import annotations


def login_option(username: str) -> str:
    """The libpq option that sets `tsur.login` for a connection; an empty name sees no row.

    Blanks and backslashes are escaped: a name cannot smuggle in an option of its own."""
    escaped = username.replace("\\", "\\\\").replace(" ", "\\ ")
    return f"-c tsur.login={escaped}"
