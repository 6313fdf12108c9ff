"""Tables as XLSX and CSV whose bytes depend on the rows alone."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from xml.sax.saxutils import escape

from openpyxl import Workbook
from openpyxl.utils import get_column_letter

Cell = str | int | float | None
_FIXED_ZIP_TIME = (2026, 1, 1, 0, 0, 0)
_FIXED_CORE_TIME = b"2026-01-01T00:00:00Z"
_CORE_TIME = re.compile(rb"(?<=>)\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ(?=<)")
_SHEET = "xl/worksheets/sheet1.xml"
_NAMESPACE = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"


def _sheet_xml(rows: Iterable[Sequence[Cell]]) -> Iterator[str]:
    # openpyxl makes every part of the file but this one: a cell costs it 16 µs, and a full
    # window of the demo has 1.5 million of them.
    yield f'<?xml version="1.0" encoding="UTF-8"?>\n<worksheet xmlns="{_NAMESPACE}"><sheetData>'
    letters: list[str] = []
    for number, row in enumerate(rows, start=1):
        while len(letters) < len(row):
            letters.append(get_column_letter(len(letters) + 1))
        cells = [f'<row r="{number}">']
        for letter, value in zip(letters, row, strict=False):
            if value is None:
                continue
            if isinstance(value, str):
                text = f'<is><t xml:space="preserve">{escape(value)}</t></is>'
                cells.append(f'<c r="{letter}{number}" t="inlineStr">{text}</c>')
            else:
                cells.append(f'<c r="{letter}{number}"><v>{value}</v></c>')
        cells.append("</row>")
        yield "".join(cells)
    yield "</sheetData></worksheet>"


def write_xlsx(sheet: str, heading: Sequence[str], rows: Iterable[Sequence[Cell]]) -> bytes:
    """One sheet with a heading row; archive and document times are fixed."""
    book = Workbook()
    page = book.active
    if page is not None:
        page.title = sheet
    draft = io.BytesIO()
    book.save(draft)
    content = "".join(_sheet_xml([heading, *rows])).encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(draft) as source, zipfile.ZipFile(packed, "w") as target:
        for name in source.namelist():
            part = content if name == _SHEET else source.read(name)
            if name == "docProps/core.xml":
                part = _CORE_TIME.sub(_FIXED_CORE_TIME, part)
            entry = zipfile.ZipInfo(name, _FIXED_ZIP_TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            target.writestr(entry, part, compresslevel=3)
    return packed.getvalue()


def write_csv(heading: Sequence[str], rows: Iterable[Sequence[Cell]], *, encoding: str) -> bytes:
    """Semicolons, CRLF; letters that the encoding lacks become "?", as legacy systems write."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=";", lineterminator="\r\n")
    writer.writerow(heading)
    writer.writerows(["" if cell is None else cell for cell in row] for row in rows)
    return text.getvalue().encode(encoding, errors="replace")
