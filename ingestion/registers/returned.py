"""What a file must be to count as a register that people keep, for the check and for the load."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ingestion.clients.base import Page
from ingestion.formats.delivered import DeliveredFile
from ingestion.formats.header import Cells
from ingestion.registers.workbook import (
    RegisterFileError,
    formulas_of,
    is_workbook,
    labels_in,
)
from ingestion.source import Region, Source

NO_ROWS = (
    "В реестре нет ни одной записи; пустой файл не принимается, иначе все прежние записи считались "
    "бы удалёнными"
)


def stranger(
    labels: Mapping[str, str], register: str, region: str | None
) -> tuple[str, str] | None:
    """The code and the sentence for a workbook whose labels name another register or region."""
    of = labels.get("register", register)
    if of != register:
        return "other_register", f"Это файл реестра «{of}», а нужен реестр «{register}»"
    where = labels.get("region", region)
    if region is not None and where != region:
        return "other_region", f"Этот файл сделан для региона «{where}», а назван регион «{region}»"
    return None


def register_pages(
    pages: Iterator[Page], file: DeliveredFile, source: Source, region: Region
) -> Iterator[Page]:
    """The pages of a register that people keep.

    UnreadableAnswer for a workbook of another register or region, and for a file without a
    record: its rows are the whole register, so an empty one would delete it.
    """
    if is_workbook(file.path):
        try:
            labels = labels_in(file.path)
        except RegisterFileError as error:
            raise file.refused(error.code, str(error)) from None
        told = stranger(labels, source.code, region.code)
        if told is not None:
            raise file.refused(*told)
    is_empty = True
    for page in pages:
        if is_empty:
            is_empty = not any(True for _ in page.records())
        yield page
    if is_empty:
        raise file.refused("no_rows", NO_ROWS)


def as_written(rows: Iterator[Cells], file: DeliveredFile, sheet: str) -> Iterator[Cells]:
    """The rows of a sheet with `=` where a formula stands: what it shows is nobody's value.

    Rows that hold nothing but formulas without a result come after the last one. UnreadableAnswer
    for a sheet that is no sheet of a register.
    """
    try:
        formulas = formulas_of(file.path, sheet)
    except RegisterFileError as error:
        raise file.refused(error.code, str(error)) from None
    last = width = 0
    for last, cells in rows:
        width = len(cells)
        yield last, _placed(cells, formulas.get(last, ()))
    for number in sorted(number for number in formulas if number > last):
        yield number, _placed([""] * width, formulas[number])


def _placed(cells: list[object], columns: set[int] | tuple[()]) -> list[object]:
    if not columns:
        return cells
    result = [*cells, *[""] * (max(columns) - len(cells))]
    for column in columns:
        result[column - 1] = "="
    return result
