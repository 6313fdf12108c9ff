"""Tables as XLSX and CSV whose bytes depend on the rows alone."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Iterable, Sequence

from openpyxl import Workbook

Cell = str | int | float | None
_FIXED_ZIP_TIME = (2026, 1, 1, 0, 0, 0)
_FIXED_CORE_TIME = b"2026-01-01T00:00:00Z"
_CORE_TIME = re.compile(rb"(?<=>)\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ(?=<)")


def write_xlsx(sheet: str, heading: Sequence[str], rows: Iterable[Sequence[Cell]]) -> bytes:
    """One sheet with a heading row; archive and document times are fixed."""
    book = Workbook(write_only=True)
    page = book.create_sheet(sheet)
    page.append(list(heading))
    for row in rows:
        page.append(list(row))
    draft = io.BytesIO()
    book.save(draft)
    packed = io.BytesIO()
    with zipfile.ZipFile(draft) as source, zipfile.ZipFile(packed, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name == "docProps/core.xml":
                content = _CORE_TIME.sub(_FIXED_CORE_TIME, content)
            entry = zipfile.ZipInfo(name, _FIXED_ZIP_TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            target.writestr(entry, content)
    return packed.getvalue()


def write_csv(heading: Sequence[str], rows: Iterable[Sequence[Cell]], *, encoding: str) -> bytes:
    """Semicolons, CRLF; letters that the encoding lacks become "?", as legacy systems write."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=";", lineterminator="\r\n")
    writer.writerow(heading)
    writer.writerows(["" if cell is None else cell for cell in row] for row in rows)
    return text.getvalue().encode(encoding, errors="replace")
