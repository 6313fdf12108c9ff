"""How far the cells of a sheet reach: calamine makes room for every cell up to the farthest one.

In XLSX a cell tells its address, in ODS how often it and its row are repeated.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from xml.etree.ElementTree import Element

from defusedxml.ElementTree import iterparse

# What calamine takes for a cell, whether it is there or not.
_CELL_BYTES = 32
_CHUNK = 1 << 20
# As calamine reads them: of any length, in capitals or not.
_ADDRESS = re.compile(rb"""r\s*=\s*["']([A-Za-z]{1,9})([0-9]{1,20})""")
_LONGEST_ADDRESS = 64  # with the spaces that may stand around the sign
# Most sheets have no cell as far out as these, and looking for them is cheap.
_FAR_ADDRESS = re.compile(rb"""r\s*=\s*["'](?:[A-Za-z]{2}|[A-Za-z][0-9]{6})""")
_NEAR_ROWS, _NEAR_COLUMNS = 99_999, 26
_ROW_NUMBER = re.compile(rb"""<row\s(?:[^<>]*\s)?r\s*=\s*["']([0-9]{1,20})["']""")
_TWO_LETTERS = 26 * 27
_THOUSAND = 1_000
_TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
_ODS_CELLS = {f"{_TABLE}table-cell", f"{_TABLE}covered-table-cell"}


@dataclass(frozen=True, slots=True)
class Extent:
    """A rectangle of cells that holds all of a sheet."""

    rows: int
    columns: int

    @property
    def size(self) -> int:
        """What it takes in memory, in bytes."""
        return self.rows * self.columns * _CELL_BYTES


def extents_of(path: Path, allowed: int) -> Iterator[Extent]:
    """The rectangle of each sheet; of XLSX exact when it takes more than `allowed` bytes.

    DefusedXmlException and ParseError for an ODS that is no plain XML.
    """
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            if entry.filename.startswith("xl/worksheets/"):
                yield _extent_of_sheet(archive, entry, allowed)
            elif entry.filename == "content.xml":
                with archive.open(entry) as stream:
                    yield from _extents_of_tables(stream)


def _extents_of_tables(stream: IO[bytes]) -> Iterator[Extent]:
    """The rectangle of each table of an OpenDocument (ODF 1.3, part 3, 19.675 and 19.678)."""
    rows = last = columns = filled = widest = 0
    ancestors: list[Element] = []
    for event, element in iterparse(stream, events=("start", "end"), forbid_dtd=True):
        if event == "start":
            ancestors.append(element)
            if element.tag == f"{_TABLE}table":
                rows = last = widest = 0
            elif element.tag == f"{_TABLE}table-row":
                columns = filled = 0
            continue
        ancestors.pop()
        if element.tag in _ODS_CELLS:
            columns += int(element.get(f"{_TABLE}number-columns-repeated", 1))
            if len(element) or any(name.startswith(_OFFICE) for name in element.attrib):
                filled = columns
        elif element.tag == f"{_TABLE}table-row":
            rows += int(element.get(f"{_TABLE}number-rows-repeated", 1))
            if filled:
                last, widest = rows, max(widest, filled)
        elif element.tag == f"{_TABLE}table":
            yield Extent(last, widest)
        else:
            continue
        # What has been looked at is let go, or a large sheet would fill the memory.
        ancestors[-1].remove(element)


def _extent_of_sheet(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, allowed: int) -> Extent:
    near = Extent(_NEAR_ROWS, _NEAR_COLUMNS)
    if near.size <= allowed and not _has(archive, entry, _FAR_ADDRESS):
        return near
    rows = columns = 0
    for text in _chunks(archive, entry):
        found = set(_ADDRESS.findall(text))
        rows = max(rows, max((int(row) for _, row in found), default=0))
        columns = max(columns, max((_number(name) for name, _ in found), default=0))
    return Extent(rows, columns)


def extent_of_part(text: bytes, allowed: int) -> Extent:
    """The rectangle around the cells of some rows; exact when it takes more than `allowed`."""
    numbers = _ROW_NUMBER.search(text), _ROW_NUMBER.search(text, max(0, text.rfind(b"<row")))
    if numbers[0] is not None and numbers[1] is not None:
        first, last = (int(number[1]) // _THOUSAND for number in numbers if number is not None)
        likely = Extent((last - first + 1) * _THOUSAND, _TWO_LETTERS)
        if 0 < likely.size <= allowed and not _unlikely(first, last).search(text):
            return likely
    found = set(_ADDRESS.findall(text))
    rows = [int(row) for _, row in found]
    columns = max((_number(name) for name, _ in found), default=0)
    return Extent(max(rows, default=0) - min(rows, default=0) + 1, columns)


def _unlikely(first: int, last: int) -> re.Pattern[bytes]:
    """An address outside these thousands of rows, or in a column of three letters."""
    thousands = (b"[0-9]{1,3}" if not n else b"%d[0-9]{3}" % n for n in range(first, last + 1))
    likely = rb"""[A-Za-z]{1,2}(?:%b)["']""" % b"|".join(thousands)
    return re.compile(rb"""r\s*=\s*["'](?!%b)[A-Za-z]""" % likely)


def _has(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, pattern: re.Pattern[bytes]) -> bool:
    return any(pattern.search(text) for text in _chunks(archive, entry))


def _chunks(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Iterator[bytes]:
    """The text of an entry; each chunk begins with the end of the one before."""
    rest = b""
    with archive.open(entry) as part:
        while chunk := part.read(_CHUNK):
            yield rest + chunk
            rest = chunk[-_LONGEST_ADDRESS:]


def _number(column: bytes) -> int:
    """The number of a column, from 1: A, …, Z, AA, …"""
    number = 0
    for letter in column.upper():
        number = number * 26 + letter - ord("A") + 1
    return number
