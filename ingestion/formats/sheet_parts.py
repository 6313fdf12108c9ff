"""A large XLSX as many small ones, for calamine takes a sheet only whole.

Each part has some rows of the sheet and all else that a workbook needs: styles, shared texts. What
cannot be cut with certainty stays whole.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

# Unpacked, of the sheet; a part begins where the next row does.
_PART = 1 << 19
# What goes into every part is read again with it: a part is larger than that by so much.
_TIMES_THE_REST = 4
_LARGEST_PART = 64 << 20
_SHEET = re.compile(r"xl/worksheets/[^/]+\.xml")
_KEPT = re.compile(r".+\.(xml|rels)")
_OPENS = re.compile(rb"<sheetData\s*>")
_ROW_ENDS = b"</row>"
_END = b"</sheetData></worksheet>"
# Where a row tells its number, calamine need not count those before it.
_NEXT_ROW = re.compile(rb"""</row>\s*<row\s(?:[^<>]*\s)?r\s*=\s*["'][0-9]""")
# The last of them may be followed by the beginning of a row that is not there yet.
_CANDIDATES = 3
# Comments and sections of plain characters may hold what looks like the end of a row.
_HIDING = b"<!"
_HIDDEN = re.compile(rb"<!--.*?(?:-->|\Z)|<!\[CDATA\[.*?(?:\]\]>|\Z)", re.DOTALL)


def parts_of(path: Path) -> Iterator[IO[bytes]]:
    """The parts of a workbook with one sheet, as workbooks.

    Nothing when it is no XLSX, is small, has several sheets or cannot be cut.
    """
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        sheets = [one for one in entries if _SHEET.fullmatch(one.filename)]
        rest = [one for one in entries if _KEPT.fullmatch(one.filename) and one not in sheets]
        size = max(_PART, _TIMES_THE_REST * sum(one.file_size for one in rest))
        if len(sheets) != 1 or sheets[0].file_size <= size or size > _LARGEST_PART:
            return
        others = {one.filename: archive.read(one) for one in rest}
        with archive.open(sheets[0]) as stream:
            for text in _cut(stream, size):
                yield _workbook({**others, sheets[0].filename: text})


def _cut(stream: IO[bytes], size: int) -> Iterator[bytes]:
    """The sheet cut between rows; nothing when its beginning cannot be cut."""
    text = stream.read(size)
    opening = _OPENS.search(text)
    if opening is None or _HIDING in text[: opening.end()]:
        return
    head, begun = text[: opening.end()], False
    while True:
        at = _between_rows(text)
        if at is None and not begun:
            return
        # Looked through again from its beginning: only as far as that takes no time.
        while at is None and (more := stream.read(size if len(text) < _LARGEST_PART else -1)):
            text += more
            at = _between_rows(text)
        yield text if at is None else text[:at] + _END
        if at is None:
            return
        begun = True
        text = head + text[at:] + stream.read(size)


def _between_rows(text: bytes) -> int | None:
    """Where the last row but one ends; None when that is not certain."""
    hidden: list[tuple[int, int]] = []
    if b"!" in text and _HIDING in text:  # one character is sought far faster than two
        hidden = [match.span() for match in _HIDDEN.finditer(text)]
    at = len(text)
    for _ in range(_CANDIDATES):
        at = text.rfind(_ROW_ENDS, 0, at)
        is_hidden = any(begins < at < ends for begins, ends in hidden)
        if at > 0 and not is_hidden and _NEXT_ROW.match(text, at):
            return at + len(_ROW_ENDS)
    return None


def _workbook(entries: dict[str, bytes]) -> IO[bytes]:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for name, text in entries.items():
            archive.writestr(name, text)
    packed.seek(0)
    return packed
