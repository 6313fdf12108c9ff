"""Tables in CSV and XLSX, read by header name, row by row."""

from __future__ import annotations

import codecs
import csv
import io
import sys
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from datetime import time as time_of_day
from pathlib import Path
from typing import Any, BinaryIO

from python_calamine import CalamineError, CalamineWorkbook

from ingestion.clients.base import PAGE_ITEMS, Item, Page
from ingestion.errors import RecordError, UnreadableAnswer
from ingestion.mapping import known_fields, required_fields
from ingestion.source import Entity, Format

csv.field_size_limit(min(sys.maxsize, 1 << 28))
_ZIP = b"PK\x03\x04"
_OLD_EXCEL = b"\xd0\xcf\x11\xe0"
# Above this share of unreadable lines the declared encoding is wrong, not a few rows.
_BROKEN_LINES_SHARE = 0.1


def read_table(
    path: Path, entity: Entity, *, name: str, sha256: str | None, size: int
) -> Iterator[Page]:
    """The rows of a file in pages. UnreadableAnswer when its records cannot be told apart."""
    kind = _kind(path, entity.format, name)
    rows = _xlsx_rows if kind == "xlsx" else _csv_rows
    yield from _pages(rows(path, entity, name), entity, path, name, sha256, size)


def _whole(code: str, detail: str, path: Path, name: str) -> UnreadableAnswer:
    return UnreadableAnswer(code, f"{name}: {detail}", content=path.read_bytes(), name=name)


def _kind(path: Path, declared: Format, name: str) -> str:
    with path.open("rb") as file:
        start = file.read(512)
    is_workbook = start.startswith((_ZIP, _OLD_EXCEL))
    if declared.type == "auto":
        return "xlsx" if is_workbook or name.casefold().endswith(".xlsx") else "csv"
    if declared.type == "csv" and is_workbook:
        return "xlsx"
    lowered = start.removeprefix(codecs.BOM_UTF8).lstrip().lower()
    if lowered.startswith((b"<!doctype html", b"<html")):
        raise _whole("unexpected_answer", "it is an HTML page, not a table", path, name)
    return declared.type


# A row: its number in the file (header = 1), its cells, and whether bytes were unreadable.
_Cells = tuple[int, list[str], bool]


def _csv_rows(path: Path, entity: Entity, name: str) -> Iterator[_Cells]:
    encoding = _encoding(path, entity.format, name)
    with path.open("rb") as binary:
        yield from _parse_csv(binary, encoding, entity.format.separator)


def _parse_csv(binary: BinaryIO, encoding: str, separator: str) -> Iterator[_Cells]:
    text = io.TextIOWrapper(binary, encoding=encoding, errors="surrogateescape", newline="")
    number = 0
    for cells in csv.reader(text, delimiter=separator):
        if not cells:
            continue
        number += 1
        joined = "".join(cells)
        broken = not joined.isascii() and any("\udc80" <= c <= "\udcff" for c in joined)
        yield number, cells, broken


def _encoding(path: Path, declared: Format, name: str) -> str:
    """The encoding to read with; a byte order mark speaks for itself, whatever is declared."""
    with path.open("rb") as file:
        start = file.read(3)
        file.seek(0)
        if start.startswith(codecs.BOM_UTF8):
            encoding = "utf-8-sig"
        elif start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return "utf-16"
        else:
            encoding = declared.encoding
        lines = broken = 0
        first_broken = 0
        for line in file:
            lines += 1
            try:
                line.decode(encoding)
            except UnicodeDecodeError:
                broken += 1
                first_broken = first_broken or lines
    if first_broken == 1 or broken > max(1, lines * _BROKEN_LINES_SHARE):
        raise _whole(
            "encoding_mismatch",
            f"line {first_broken} of {lines} is not {encoding} ({broken} such lines)",
            path,
            name,
        )
    return encoding


def _xlsx_rows(path: Path, entity: Entity, name: str) -> Iterator[_Cells]:
    try:
        workbook = CalamineWorkbook.from_path(path)
        sheet_name = entity.format.sheet or workbook.sheet_names[0]
        sheet = workbook.get_sheet_by_name(sheet_name)
        rows = sheet.iter_rows()
        for number, cells in enumerate(rows, start=1):
            written = [_cell(cell) for cell in cells]
            # Formatting leaves empty rows behind; they are no records.
            if any(written):
                yield number, written, False
    # The reader's panics on cut-off files are no Exception subclasses of its own.
    except (CalamineError, OSError, ValueError, IndexError) as error:
        raise _whole("broken_workbook", f"{type(error).__name__}: {error}", path, name) from None


def _cell(value: Any) -> str:
    """A cell as text, so that the same register as CSV and as XLSX gives the same record."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "да" if value else "нет"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, datetime):
        if value.time() == time_of_day():
            return value.date().isoformat()
        return value.isoformat(sep=" ")
    if isinstance(value, date | time_of_day):
        return value.isoformat()
    if isinstance(value, timedelta):
        return str(value)
    return str(value)


def _header(cells: list[str], entity: Entity, path: Path, name: str) -> list[str]:
    columns = [" ".join(cell.replace("\ufeff", "").split()) for cell in cells]
    while columns and not columns[-1]:
        columns.pop()
    if not columns:
        raise _whole("empty_file", "the first row is empty", path, name)
    known = known_fields(entity)
    # A column is found whatever its case and its letter Ё.
    spelling = {_folded(column): column for column in known}
    columns = [
        spelling.get(_folded(column), column) or f"№ {number}"
        for number, column in enumerate(columns, start=1)
    ]
    repeated = sorted({column for column in columns if columns.count(column) > 1})
    if repeated:
        raise _whole("repeated_column", f"twice: {', '.join(repeated)}", path, name)
    present = set(columns)
    missing = [" or ".join(g) for g in required_fields(entity) if present.isdisjoint(g)]
    if missing:
        detail = f"missing: {', '.join(dict.fromkeys(missing))}; found: {', '.join(columns)}"
        raise _whole("missing_column", detail, path, name)
    return columns


def _folded(column: str) -> str:
    return " ".join(column.split()).casefold().replace("ё", "е")


def _pages(
    rows: Iterator[_Cells], entity: Entity, path: Path, name: str, sha256: str | None, size: int
) -> Iterator[Page]:
    try:
        first = next(rows, None)
    except csv.Error as error:
        raise _whole("row_shape", str(error), path, name) from None
    if first is None:
        raise _whole("empty_file", "it has no rows", path, name)
    columns = _header(first[1], entity, path, name)
    known = known_fields(entity)
    unknown = tuple(column for column in columns if column not in known)
    if unknown and entity.contract.columns == "freeze":
        raise _whole("unknown_column", f"unknown: {', '.join(unknown)}", path, name)
    discarded = frozenset(unknown) if entity.contract.columns == "discard_value" else frozenset()
    width = len(columns)
    items: list[Item] = []
    page = Page(items, sha256=sha256, bytes_read=size, unknown_columns=unknown)
    for number, cells, broken in rows:
        extra = len(cells) - width
        if extra and not any(cells[width:]) and extra > 0:
            del cells[width:]
            extra = 0
        if broken or extra:
            items.append(_bad_row(number, cells, columns, entity, broken))
        else:
            fields: dict[str, Any] = dict(zip(columns, cells, strict=True))
            for column in discarded:
                del fields[column]
            items.append(Item(fields, row_number=number))
        if len(items) >= PAGE_ITEMS:
            yield page
            items = []
            page = Page(items, sha256=sha256)
    yield page


def _bad_row(
    number: int, cells: list[str], columns: list[str], entity: Entity, broken: bool
) -> Item:
    if broken:
        error = RecordError("undecodable_text", f"Row {number}")
    else:
        error = RecordError(
            "row_shape", f"Row {number} has {len(cells)} cells, the header {len(columns)}"
        )
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=entity.format.separator)
    writer.writerow(columns)
    writer.writerow(cells)
    # The row with its header, in the bytes in which it came: replay can read it as a file.
    content = buffer.getvalue().encode(
        entity.format.encoding if not broken else "utf-8", "surrogateescape"
    )
    return Item({}, row_number=number, error=error, raw=content)
