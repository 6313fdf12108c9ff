"""Workbooks: XLSX, XLS and ODS, read by calamine."""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator
from fnmatch import fnmatchcase

from python_calamine import CalamineError, CalamineWorkbook, SheetTypeEnum

from ingestion.clients.base import Page
from ingestion.formats.delivered import DeliveredFile
from ingestion.formats.header import Cells, table_pages
from ingestion.source import Entity, Format

# Deflate cannot pack more than this into a byte.
_MOST_PER_BYTE = 1032
_CHUNK = 1 << 20
# What reading a damaged archive raises.
_BROKEN = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError)
# A sheet is read as a full rectangle: so much for each cell in it, whether it is there or not.
_CELL_BYTES = 32
# An address of a cell; those that lie far out, of which most sheets have none.
_ADDRESS = re.compile(rb"""\sr=["']([A-Z]{1,3})([0-9]{1,7})["']""")
_FAR_ADDRESS = re.compile(rb"""\sr=["']([A-Z]{2,3}(?=[0-9])|[A-Z](?=[0-9]{6}))([0-9]{1,7})["']""")
_NEAR_ROWS, _NEAR_COLUMNS = 99_999, 26
_LONGEST_ADDRESS = 16


def read_workbook(file: DeliveredFile, entity: Entity) -> Iterator[Page]:
    """The rows of the first sheet, or of every sheet that is declared."""
    _check_size(file, entity.format)
    try:
        if entity.template is None:  # of registers that people keep every cell is looked at
            _check_extent(file, entity.format)
        workbook = CalamineWorkbook.from_path(file.path)
        names = _sheets(workbook, entity.format)
        if not names:
            told = ", ".join(workbook.sheet_names)
            raise file.refused("missing_sheet", f"declared: {entity.format.sheet}; found: {told}")
        for name in names:
            found = {"sheet": name} if len(workbook.sheet_names) > 1 else {}
            rows = _rows(workbook, name)
            if entity.template is not None:
                from ingestion.registers.returned import as_written

                rows = as_written(rows, file, name)
            yield from table_pages(_filled(rows), entity, file, found, sheet=name)
    except (*_BROKEN, CalamineError, OSError, ValueError, IndexError) as error:
        raise file.refused("broken_workbook", f"{type(error).__name__}: {error}") from None


def _check_extent(file: DeliveredFile, declared: Format) -> None:
    """Refuse an XLSX with a cell so far out that the rectangle up to it would not fit."""
    if not zipfile.is_zipfile(file.path):
        return
    allowed = declared.max_unpacked_megabytes << 20
    with zipfile.ZipFile(file.path) as archive:
        for entry in archive.infolist():
            if not entry.filename.startswith("xl/worksheets/"):
                continue
            rows, columns = _extent(archive, entry, _FAR_ADDRESS)
            rows, columns = max(rows, _NEAR_ROWS), max(columns, _NEAR_COLUMNS)
            if rows * columns * _CELL_BYTES > allowed:
                rows, columns = _extent(archive, entry, _ADDRESS)
            if rows * columns * _CELL_BYTES > allowed:
                raise file.refused(
                    "workbook_too_large",
                    f"a sheet of {rows} rows × {columns} columns takes "
                    f"{rows * columns * _CELL_BYTES >> 20} MB, allowed are "
                    f"{declared.max_unpacked_megabytes} MB",
                )


def _extent(
    archive: zipfile.ZipFile, entry: zipfile.ZipInfo, address: re.Pattern[bytes]
) -> tuple[int, int]:
    """The last row and the last column that an address names."""
    rows = columns = 0
    rest = b""
    with archive.open(entry) as part:
        while chunk := part.read(_CHUNK):
            found = set(address.findall(rest + chunk))
            rows = max(rows, max((int(row) for _, row in found), default=0))
            columns = max(columns, max((_number(name) for name, _ in found), default=0))
            rest = chunk[-_LONGEST_ADDRESS:]
    return rows, columns


def _number(column: bytes) -> int:
    """The number of a column, from 1: A, …, Z, AA, …"""
    number = 0
    for letter in column:
        number = number * 26 + letter - ord("A") + 1
    return number


def _sheets(workbook: CalamineWorkbook, declared: Format) -> list[str]:
    tables = [
        sheet.name for sheet in workbook.sheets_metadata if sheet.typ == SheetTypeEnum.WorkSheet
    ]
    if declared.sheet is None:
        return tables[:1]
    return [name for name in tables if fnmatchcase(name, declared.sheet)]


def _rows(workbook: CalamineWorkbook, name: str) -> Iterator[Cells]:
    yield from enumerate(workbook.get_sheet_by_name(name).iter_rows(), start=1)


def _filled(rows: Iterator[Cells]) -> Iterator[Cells]:
    for number, cells in rows:
        # Formatting leaves empty rows behind; they are no records.
        if any(cell != "" for cell in cells):
            yield number, cells


def _check_size(file: DeliveredFile, declared: Format) -> None:
    """Refuse an archive that unpacks to more than is declared, whatever its index says."""
    if not zipfile.is_zipfile(file.path):
        return
    allowed = declared.max_unpacked_megabytes << 20
    total = 0
    try:
        with zipfile.ZipFile(file.path) as archive:
            told = sum(entry.file_size for entry in archive.infolist())
            if told <= allowed:
                for entry in archive.infolist():
                    if entry.compress_size * _MOST_PER_BYTE <= allowed - total:
                        total += entry.file_size
                        continue
                    # The index may lie: read on until the data end, not until the told size.
                    entry.file_size = allowed + 1
                    with archive.open(entry) as part:
                        while total <= allowed and (chunk := part.read(_CHUNK)):
                            total += len(chunk)
    except _BROKEN as error:
        raise file.refused("broken_workbook", f"{type(error).__name__}: {error}") from None
    if told > allowed or total > allowed:
        raise file.refused(
            "workbook_too_large",
            f"it unpacks to {max(told, total) >> 20} MB, allowed are "
            f"{declared.max_unpacked_megabytes} MB",
        )
