"""Workbooks: XLSX, XLS and ODS, read by calamine."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from fnmatch import fnmatchcase
from itertools import chain
from xml.etree.ElementTree import ParseError

from defusedxml.common import DefusedXmlException
from python_calamine import CalamineError, CalamineWorkbook, SheetTypeEnum

from ingestion.clients.base import Page
from ingestion.errors import UnreadableAnswer
from ingestion.formats.delivered import BROKEN_ARCHIVE, DeliveredFile
from ingestion.formats.header import Cells, table_pages
from ingestion.formats.sheet_parts import parts_of
from ingestion.source import Entity, Format

# Deflate cannot pack more than this into a byte.
_MOST_PER_BYTE = 1032
_CHUNK = 1 << 20
_QUOTED = re.compile(r"[:'\"`«]")
# What calamine says of more cells than it takes.
_OVER_THE_LIMIT = "limit exceeded"


def read_workbook(file: DeliveredFile, entity: Entity) -> Iterator[Page]:
    """The rows of the first sheet, or of every sheet that is declared."""
    try:
        workbooks = _opened(file, entity)
        first = next(workbooks)
        names = _sheets(first, entity.format)
        if not names:
            told = ", ".join(first.sheet_names)
            raise file.refused("missing_sheet", f"declared: {entity.format.sheet}; found: {told}")
        for name in names:
            found = {"sheet": name} if len(first.sheet_names) > 1 else {}
            rows = _rows(chain([first], workbooks), name)
            if entity.template is not None:
                from ingestion.registers.returned import as_written

                rows = as_written(rows, file, name)
            yield from table_pages(_filled(rows), entity, file, found, sheet=name)
    except DefusedXmlException as error:
        raise file.refused("hostile_markup", type(error).__name__) from None
    except (*BROKEN_ARCHIVE, ParseError, CalamineError, OSError, ValueError, LookupError) as error:
        code = "workbook_too_large" if _OVER_THE_LIMIT in str(error) else "broken_workbook"
        raise file.refused(code, _told(error)) from None


def _told(error: Exception) -> str:
    """What a parser says, without what it quotes: that may be a cell, and the cell somebody's."""
    said = _QUOTED.split(str(error), maxsplit=1)[0].strip()
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def _opened(file: DeliveredFile, entity: Entity) -> Iterator[CalamineWorkbook]:
    """The workbook; instead of a large one its parts, in the order of their rows."""
    allowed = entity.format.max_unpacked_megabytes << 20
    _check_index(file, allowed)
    if entity.template is not None:  # of registers that people keep every cell is looked at
        _check_size(file, allowed)
        yield CalamineWorkbook.from_path(file.path)
        return
    is_cut = False
    for part in parts_of(file.path):
        workbook = CalamineWorkbook.from_filelike(part)
        if not is_cut and not _begins_at_the_left(workbook):
            break
        yield workbook
        is_cut = True
    if not is_cut:
        _check_size(file, allowed)
        yield CalamineWorkbook.from_path(file.path)


def _begins_at_the_left(workbook: CalamineWorkbook) -> bool:
    """False where rows of another part may begin further left than those of the first one."""
    if len(workbook.sheet_names) > 1:
        return False
    start = workbook.get_sheet_by_index(0).start
    return start is not None and start[1] == 0


def _sheets(workbook: CalamineWorkbook, declared: Format) -> list[str]:
    tables = [
        sheet.name for sheet in workbook.sheets_metadata if sheet.typ == SheetTypeEnum.WorkSheet
    ]
    if declared.sheet is None:
        return tables[:1]
    return [name for name in tables if fnmatchcase(name, declared.sheet)]


def _rows(workbooks: Iterator[CalamineWorkbook], name: str) -> Iterator[Cells]:
    """The rows of a sheet, which may come in parts."""
    for part, workbook in enumerate(workbooks):
        sheet = workbook.get_sheet_by_name(name)
        if not part:
            yield from enumerate(sheet.iter_rows(), start=1)
            continue
        # Of the rows above and the columns to the left, which are in other parts or empty.
        above, left = sheet.start or (0, 0)
        for number, cells in enumerate(sheet.to_python(), start=above + 1):
            yield number, [""] * left + cells if left else cells


def _filled(rows: Iterator[Cells]) -> Iterator[Cells]:
    for number, cells in rows:
        # Formatting leaves empty rows behind; they are no records.
        if any(cell != "" for cell in cells):
            yield number, cells


def _check_index(file: DeliveredFile, allowed: int) -> None:
    """Refuse by its index alone an archive that unpacks to more than is declared, and XLSB."""
    if not zipfile.is_zipfile(file.path):
        return
    with zipfile.ZipFile(file.path) as archive:
        entries = archive.infolist()
    told = sum(entry.file_size for entry in entries)
    if told > allowed:
        raise _too_large(file, told, allowed)
    if any(entry.filename.endswith("workbook.bin") for entry in entries):
        raise file.refused("broken_workbook", "XLSB is not read: save it as XLSX")


def _check_size(file: DeliveredFile, allowed: int) -> None:
    """Refuse an archive that unpacks to more than is declared, whatever its index says."""
    if not zipfile.is_zipfile(file.path):
        return
    total = 0
    with zipfile.ZipFile(file.path) as archive:
        for entry in archive.infolist():
            if entry.compress_size * _MOST_PER_BYTE <= allowed - total:
                total += entry.file_size
                continue
            # The index may lie: read on until the data end, not until the told size.
            entry.file_size = allowed + 1
            with archive.open(entry) as part:
                while total <= allowed and (chunk := part.read(_CHUNK)):
                    total += len(chunk)
    if total > allowed:
        raise _too_large(file, total, allowed)


def _too_large(file: DeliveredFile, size: int, allowed: int) -> UnreadableAnswer:
    return file.refused(
        "workbook_too_large",
        f"it unpacks to {size >> 20} MB, allowed are {allowed >> 20} MB",
    )
