"""The file that is being read, and how it is refused."""

from __future__ import annotations

import lzma
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ingestion.errors import UnreadableAnswer

# A record is smaller than this; what is larger is no record but a mistake, or meant to harm.
LONGEST_RECORD = 64 << 20
# Characters of a row of a table; most of them take two bytes.
LONGEST_ROW = LONGEST_RECORD >> 1

# What reading a damaged archive raises, of whatever packing it says it has.
BROKEN_ARCHIVE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    NotImplementedError,
    RuntimeError,
    EOFError,
)

# What the ledger says of a file or answer whose end nobody told.
END_NOT_TOLD = {"end": "not told: nothing counts as vanished"}

# Makes the error that keeps the answer at hand, of a code and what is to be told.
Refuse = Callable[[str, str], UnreadableAnswer]


@dataclass(frozen=True, slots=True)
class DeliveredFile:
    """A file at hand: its path, the name it goes by, its digest and its size in bytes.

    `is_end_told` is False when nobody tells whether it went on.
    """

    path: Path
    name: str
    sha256: str | None
    size: int
    is_end_told: bool = True

    def refused(self, code: str, detail: str) -> UnreadableAnswer:
        """The error that names the file and keeps all of it."""
        return self.kept(code, f"{self.name}: {detail}")

    def kept(self, code: str, detail: str) -> UnreadableAnswer:
        """The error that keeps the whole file: it is held open, for it may be nameless."""
        return UnreadableAnswer(
            code,
            detail,
            content=self.path.open("rb"),
            name=self.name,
            is_end_told=self.is_end_told,
        )


class MeteredStream:
    """A stream that refuses to go on when a single record has taken too many bytes.

    Parsers collect a record before they give it away; `record_ended` starts the count again.
    `position` counts all bytes.
    """

    def __init__(self, stream: BinaryIO, file: DeliveredFile) -> None:
        self._stream = stream
        self._file = file
        self._taken = 0
        self.position = 0

    def read(self, size: int = -1) -> bytes:
        if self._taken > LONGEST_RECORD:
            raise self._file.refused(
                "record_too_large", f"no record ended within {LONGEST_RECORD >> 20} MB"
            )
        content = self._stream.read(size)
        self._taken += len(content)
        self.position += len(content)
        return content

    def record_ended(self) -> None:
        self._taken = 0
