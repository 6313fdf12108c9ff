"""How far the cells of a sheet reach: calamine makes room for every cell up to the farthest one.

In XLSX a cell tells its address or comes after the one before it, in ODS it tells how often it and
its row are repeated. Most sheets have nothing far out, which a search tells fast; all others are
read as XML.
"""

from __future__ import annotations

import io
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
# As calamine reads an address: letters and digits of any number, in capitals or not.
_ADDRESS = re.compile(r"([A-Za-z]{1,9})([0-9]{1,20})")
_LONGEST_TAG = 4_096
_CELL_WITHOUT_ADDRESS = rb"""<(?:[^\s<>/:]+:)?c(?:>|/|\s(?![^<>]*\br\s*=))"""
_WITHOUT_ADDRESS = re.compile(_CELL_WITHOUT_ADDRESS)
# A column of two letters, a row of six digits, a cell without an address.
_FAR = re.compile(rb"""r\s*=\s*["'](?:[A-Za-z]{2}|[A-Za-z]?[0-9]{6})|%b""" % _CELL_WITHOUT_ADDRESS)
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

    DefusedXmlException and ParseError for what is no plain XML.
    """
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            if entry.filename == "content.xml":
                with archive.open(entry) as stream:
                    yield from _extents_of_tables(stream)
            # A workbook may have its sheets in any folder.
            elif entry.filename.endswith(".xml"):
                yield _extent_of_sheet(archive, entry, allowed)


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
    if near.size <= allowed and not any(_FAR.search(text) for text in _chunks(archive, entry)):
        return near
    with archive.open(entry) as stream:
        return _read(stream)


def extent_of_part(text: bytes, allowed: int) -> Extent:
    """The rectangle around the cells of some rows; exact when it takes more than `allowed`."""
    numbers = _ROW_NUMBER.search(text), _ROW_NUMBER.search(text, max(0, text.rfind(b"<row")))
    if numbers[0] is not None and numbers[1] is not None:
        first, last = (int(number[1]) // _THOUSAND for number in numbers if number is not None)
        likely = Extent((last - first + 1) * _THOUSAND, _TWO_LETTERS)
        if 0 < likely.size <= allowed and _is_likely(text, first, last):
            return likely
    return _read(io.BytesIO(text))


def _is_likely(text: bytes, first: int, last: int) -> bool:
    """True when all rows are of these thousands, and no column has three letters."""
    # Where each cell begins with its address, counting is enough to know that all have one.
    cells = text.count(b"<c ") + text.count(b"<c>") + text.count(b":c>") + text.count(b":c ")
    if cells != text.count(b"<c r=") and _WITHOUT_ADDRESS.search(text):
        return False
    thousands = (b"[0-9]{1,3}" if not n else b"%d[0-9]{3}" % n for n in range(first, last + 1))
    likely = rb"""[A-Za-z]{0,2}(?:%b)["']""" % b"|".join(thousands)
    return not re.search(rb"""r\s*=\s*["'](?!%b)[A-Za-z0-9]""" % likely, text)


def _read(stream: IO[bytes]) -> Extent:
    """The rectangle around all cells, with or without addresses (ECMA-376, 18.3.1.4, 18.3.1.73)."""
    row = column = columns = farthest = 0
    nearest: int | None = None
    ancestors: list[Element] = []
    for event, element in iterparse(stream, events=("start", "end"), forbid_dtd=True):
        name = element.tag.rpartition("}")[2]
        if event == "end":
            ancestors.pop()
            if name in {"c", "row"} and ancestors:
                # What has been looked at is let go, or a large sheet would fill the memory.
                ancestors[-1].remove(element)
            continue
        ancestors.append(element)
        told = element.get("r", "")
        if name == "row":
            row = int(told) if told.isdigit() else row + 1
            column = 0
        elif name == "c":
            address = _ADDRESS.match(told)
            column = _number(address[1]) if address else column + 1
            at = int(address[2]) if address else row
            nearest = at if nearest is None else min(nearest, at)
            farthest, columns = max(farthest, at), max(columns, column)
    return Extent(farthest - (nearest or 0) + 1, columns)


def _chunks(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Iterator[bytes]:
    """The text of an entry; each chunk begins with the end of the one before."""
    rest = b""
    with archive.open(entry) as part:
        while chunk := part.read(_CHUNK):
            yield rest + chunk
            # A tag that is cut looks as if it lacked something: then the sheet is read.
            rest = chunk[-_LONGEST_TAG:]


def _number(column: str) -> int:
    """The number of a column, from 1: A, …, Z, AA, …"""
    number = 0
    for letter in column.upper():
        number = number * 26 + ord(letter) - ord("A") + 1
    return number
