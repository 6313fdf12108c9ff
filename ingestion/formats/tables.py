"""Text tables: CSV and TSV, row by row."""

from __future__ import annotations

import contextlib
import csv
import io
from collections.abc import Iterator
from typing import BinaryIO

from ingestion.clients.base import Page
from ingestion.formats.delivered import DeliveredFile
from ingestion.formats.encoding import Encoding, encoding_of
from ingestion.formats.header import Cells, table_pages
from ingestion.source import Entity

# Characters of one cell; a longer one is no cell.
LONGEST_CELL = 16 << 20
# Above this share of unreadable lines the declared encoding is wrong, not a few rows.
_BROKEN_LINES_SHARE = 0.1
_SAMPLE = 64 << 10
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
        rows = _rows(binary, encoding.name, separator)
        yield from table_pages(rows, entity, file, found, sheet=None)


def _rows(binary: BinaryIO, encoding: str, separator: str) -> Iterator[Cells]:
    text = io.TextIOWrapper(binary, encoding=encoding, errors="surrogateescape", newline="")
    number = 0
    for cells in csv.reader(text, delimiter=separator):
        if not cells:
            continue
        number += 1
        yield number, cells


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
    lines = broken = first_broken = 0
    with file.path.open("rb") as binary:
        while block := binary.readlines(1 << 20):
            try:
                b"".join(block).decode(encoding.name)
                lines += len(block)
                continue
            except UnicodeDecodeError:
                pass
            for line in block:
                lines += 1
                try:
                    line.decode(encoding.name)
                except UnicodeDecodeError:
                    broken += 1
                    first_broken = first_broken or lines
    if first_broken == 1 or broken > max(1, lines * _BROKEN_LINES_SHARE):
        raise file.refused(
            "encoding_mismatch",
            f"line {first_broken} of {lines} is not {encoding.name} ({broken} such lines)",
        )
