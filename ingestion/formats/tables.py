"""Text tables: CSV and TSV, row by row."""

from __future__ import annotations

import codecs
import contextlib
import csv
import io
from collections.abc import Iterator
from typing import BinaryIO

from ingestion.clients.base import Page
from ingestion.errors import UnreadableAnswer
from ingestion.formats.delivered import LONGEST_ROW, DeliveredFile
from ingestion.formats.encoding import Encoding, encoding_of
from ingestion.formats.header import Cells, table_pages
from ingestion.source import Entity

# Characters of one cell, and of one line; a longer one is neither.
LONGEST_CELL = 16 << 20
# Above this share of unreadable lines the declared encoding is wrong, not a few rows.
_BROKEN_LINES_SHARE = 0.1
_SAMPLE = 64 << 10
_BLOCK = 1 << 20
_SEPARATORS = ";,\t|"


def read_tabbed(file: DeliveredFile, entity: Entity) -> Iterator[Page]:
    """The rows of a table whose cells are parted by tabs."""
    yield from read_delimited(file, entity, "\t")


def read_delimited(
    file: DeliveredFile, entity: Entity, separator: str | None = None
) -> Iterator[Page]:
    """The rows of a text table; a row that is broken is refused alone."""
    csv.field_size_limit(LONGEST_CELL)
    encoding = encoding_of(file, entity.format)
    _check(file, encoding)
    found = dict(encoding.found)
    separator = separator or entity.format.separator
    if separator == "detect":
        separator = _separator(file, encoding)
        found["separator"] = separator
    with file.path.open("rb") as binary:
        table = _TextTable(binary, encoding.name, separator, file)
        yield from table_pages(table.rows(), entity, file, found, sheet=None)
    if table.refusal is not None:
        raise table.refusal


class _TextTable:
    """The rows of a text, of which no more is held at once than a row may have.

    A row that is too large is left out, and what follows it too where nobody can tell its end
    without holding it. `refusal` keeps the file whole then: a part of a row is no evidence.
    """

    def __init__(
        self, binary: BinaryIO, encoding: str, separator: str, file: DeliveredFile
    ) -> None:
        self._text = io.TextIOWrapper(
            binary, encoding=encoding, errors="surrogateescape", newline=""
        )
        self._separator = separator
        self._file = file
        self._number = 0
        # Of the row that is being read: its characters so far, and its last line.
        self._taken = 0
        self._line = ""
        self._is_cut = False
        self.refusal: UnreadableAnswer | None = None

    def rows(self) -> Iterator[Cells]:
        reader = csv.reader(self._lines(), delimiter=self._separator)
        while True:
            try:
                for cells in reader:
                    if self._is_cut:
                        return  # the beginning of what is too large
                    self._taken = 0
                    if cells:
                        self._number += 1
                        yield self._number, cells
                return
            except csv.Error:
                # As the reader is set up, it refuses nothing but a cell beyond its limit.
                self._refuse(f"has a cell of more than {LONGEST_CELL:,} characters")
                if self._taken > len(self._line) or self._line.count('"') % 2:
                    return
                self._taken = 0

    def _lines(self) -> Iterator[str]:
        readline, longest, most = self._text.readline, LONGEST_CELL, LONGEST_ROW
        while line := readline(longest):
            if len(line) == longest and line[-1] not in "\r\n":
                self._refuse(f"has a line of more than {LONGEST_CELL:,} characters")
                quotes = line.count('"')
                while line and line[-1] not in "\r\n":
                    line = readline(_BLOCK)
                    quotes += line.count('"')
                # Within quotes the end of the line is not that of the row.
                if self._taken or quotes % 2:
                    self._is_cut = True
                    return
                continue
            self._taken += len(line)
            if self._taken > most:
                self._refuse(f"does not end within {LONGEST_ROW:,} characters")
                self._is_cut = True
                return
            self._line = line
            yield line

    def _refuse(self, detail: str) -> None:
        self._number += 1
        if self.refusal is None:
            self.refusal = self._file.refused("record_too_large", f"row {self._number} {detail}")
        if self._number == 1:
            raise self.refusal


def _separator(file: DeliveredFile, encoding: Encoding) -> str:
    """The separator that the first lines use, outside of quotes."""
    with file.path.open("rb") as binary:
        sample = binary.read(_SAMPLE).decode(encoding.name, "replace")
    with contextlib.suppress(csv.Error):
        return csv.Sniffer().sniff(sample, _SEPARATORS).delimiter
    # The sniffer gives up on texts with many commas; the heading tells as well.
    heading = sample.splitlines()[0] if sample else ""
    return max(_SEPARATORS, key=heading.count)


def _check(file: DeliveredFile, encoding: Encoding) -> None:
    """Refuse a file whose lines are not what the encoding says; single ones are kept apart."""
    if encoding.name.startswith("utf-16"):
        return
    decoder = codecs.getincrementaldecoder(encoding.name)()
    ended = 0
    broken: list[int] = []

    def decode(part: bytes, is_last: bool = False) -> None:
        try:
            decoder.decode(part, is_last)
        except UnicodeDecodeError:
            decoder.reset()
            if broken[-1:] != [ended + 1]:
                broken.append(ended + 1)

    last = b""
    with file.path.open("rb") as binary:
        # By blocks, not by lines: a line may be as long as the file.
        while block := binary.read(_BLOCK):
            last = block[-1:]
            before = decoder.getstate()
            try:
                decoder.decode(block)
                ended += block.count(b"\n")
                continue
            except UnicodeDecodeError:
                decoder.setstate(before)
            for line in io.BytesIO(block):
                decode(line)
                ended += line.endswith(b"\n")
        decode(b"", is_last=True)
    lines = ended + (last != b"\n")
    if broken and (broken[0] == 1 or len(broken) > max(1, lines * _BROKEN_LINES_SHARE)):
        raise file.refused(
            "encoding_mismatch",
            f"line {broken[0]} of {lines} is not {encoding.name} ({len(broken)} such lines)",
        )
