"""How far the cells of a sheet reach: calamine makes room for every cell up to the farthest one.

In XLSX a cell tells its address or comes after the one before it, in ODS it tells how often it and
its row are repeated. Most sheets have nothing far out, which a look at their bytes tells; all
others are read as XML.
"""

from __future__ import annotations

import io
import re
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from xml.etree.ElementTree import Element

import numpy as np
from defusedxml.ElementTree import iterparse
from numpy.typing import NDArray

# What calamine takes for a cell, whether it is there or not.
_CELL_BYTES = 32
_CHUNK = 1 << 20
# As calamine reads an address: letters and digits of any number, in capitals or not.
_ADDRESS = re.compile(r"([A-Za-z]{1,9})([0-9]{1,20})")
_LONGEST_TAG = 4_096
_MOST_DIGITS = 8
# What follows a tag's beginning or an address is looked at: there is always something to look at.
_PADDING = bytes(16)
_Characters = NDArray[np.uint8]
_Places = NDArray[np.intp]
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
    reach = _Reach()
    if all(reach.add(text) for text in _chunks(archive, entry)) and reach.extent.size <= allowed:
        return reach.extent
    with archive.open(entry) as stream:
        return _read(stream)


def extent_of_part(text: bytes, allowed: int) -> Extent:
    """The rectangle around the cells of some rows; exact when it takes more than `allowed`."""
    reach = _Reach()
    if reach.add(text) and reach.extent.size <= allowed:
        return reach.extent
    return _read(io.BytesIO(text))


def _bytes_in(characters: bytes) -> NDArray[np.bool_]:
    """For each byte, whether it is one of these characters."""
    return np.isin(np.arange(256), np.frombuffer(characters, np.uint8))


_NAME_ENDS = _bytes_in(b" \t\r\n/>")
# What follows the name of a tag that tells its address first of all.
_SPACE, _NAME, _SIGN, _QUOTE = (_bytes_in(one) for one in (b" ", b"r", b"=", b"\"'"))
_LETTER = _bytes_in(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")


class _Reach:
    """The rectangle around the rows and cells of the texts added, as most programs write them.

    That is with the address as the first attribute of each row and cell.
    """

    def __init__(self) -> None:
        self._nearest, self._farthest, self._columns = sys.maxsize, 0, 0

    @property
    def extent(self) -> Extent:
        return Extent(max(0, self._farthest - self._nearest + 1), self._columns)

    def add(self, text: bytes) -> bool:
        """False when it takes an XML parser to tell: a tag is cut, a character has two bytes."""
        if text.rfind(b"<") > text.rfind(b">") or b"\0" in text:
            return False
        characters = np.frombuffer(text + _PADDING, np.uint8)
        first, second, third = (characters[place : place - len(_PADDING)] for place in (1, 2, 3))
        before = characters[: -len(_PADDING)]
        # A name begins after the bracket, or after the prefix of a namespace.
        begins = (before == ord("<")) | (before == ord(":"))
        cells = np.flatnonzero(begins & (first == ord("c"))) + len("<c")
        is_r = first == ord("r")
        begins &= is_r
        begins &= (second == ord("o")) & (third == ord("w"))
        tags = np.concatenate((cells, np.flatnonzero(begins) + len("<row")))
        tags = tags[_NAME_ENDS[characters[tags]]]
        # Of two addresses in one tag calamine takes the last.
        is_r &= (before <= ord(" ")) & ((second == ord("=")) | (second <= ord(" ")))
        if np.count_nonzero(is_r) != tags.size:
            return False
        for place, expected in enumerate((_SPACE, _NAME, _SIGN, _QUOTE)):
            if not expected[characters[tags + place]].all():
                return False
        return not tags.size or self._stretch(characters, tags + len(' r="'))

    def _stretch(self, characters: _Characters, addresses: _Places) -> bool:
        """Take in all addresses; False for columns of three letters and rows of nine digits."""
        one, two = characters[addresses], characters[addresses + 1]
        has_one = _LETTER[one]
        has_two = has_one & _LETTER[two]
        if (has_two & _LETTER[characters[addresses + 2]]).any():
            return False
        # The lower five bits of a letter are its place in the alphabet.
        columns = np.where(has_one, one & 31, 0).astype(np.int64)
        columns = np.where(has_two, columns * 26 + (two & 31), columns)
        numbers = np.zeros(addresses.size, np.int64)
        places = addresses + has_one + has_two
        is_digit = np.ones(addresses.size, np.bool_)
        for _ in range(_MOST_DIGITS):
            digits = characters[places] - np.uint8(ord("0"))
            is_digit &= digits < 10
            numbers = np.where(is_digit, numbers * 10 + digits, numbers)
            places += 1
            if not is_digit.any():
                break
        self._nearest = min(self._nearest, int(numbers.min()))
        self._farthest = max(self._farthest, int(numbers.max()))
        self._columns = max(self._columns, int(columns.max()))
        return not is_digit.any()


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
    """The text of an entry, cut where a tag begins."""
    rest = b""
    with archive.open(entry) as part:
        while chunk := part.read(_CHUNK):
            text = rest + chunk
            at = text.rfind(b"<")
            # Of a text after its tags nothing has to be kept, nor of a tag that nobody writes.
            if not 0 <= len(text) - at <= _LONGEST_TAG or text.find(b">", at) >= 0:
                at = len(text)
            yield text[:at]
            rest = text[at:]
    yield rest


def _number(column: str) -> int:
    """The number of a column, from 1: A, …, Z, AA, …"""
    number = 0
    for letter in column.upper():
        number = number * 26 + ord(letter) - ord("A") + 1
    return number
