"""Rows in the binary format of COPY (PostgreSQL manual, COPY, "Binary Format").

The server takes a row so in three quarters of the time that it needs for text: nothing is escaped,
nothing has to be split and read.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from struct import Struct

# Signature, flags, and the length of a header extension that is not there.
HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
NULL = b"\xff\xff\xff\xff"

# The number of fields goes before those of a row, the length in bytes before each of them.
field_count = Struct("!h").pack
length = Struct("!i").pack
_smallint = Struct("!h")
_integer = Struct("!ii").pack
_bigint = Struct("!iq").pack
_JSONB_VERSION = b"\x01"
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def binary(value: bytes | None) -> bytes:
    """A field of type bytea or uuid, or a text in UTF-8."""
    return NULL if value is None else length(len(value)) + value


def jsonb(value: bytes) -> bytes:
    return length(len(value) + 1) + _JSONB_VERSION + value


def integer(value: int | None) -> bytes:
    return NULL if value is None else _integer(4, value)


def bigint(value: int) -> bytes:
    return _bigint(8, value)


def timestamptz(value: datetime | None) -> bytes:
    return NULL if value is None else _bigint(8, (value - _EPOCH) // _MICROSECOND)


def with_field(row: bytes, field: bytes) -> bytes:
    """The row with one field more at its end."""
    return field_count(_smallint.unpack_from(row)[0] + 1) + row[_smallint.size :] + field
