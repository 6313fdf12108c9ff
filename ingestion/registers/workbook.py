"""Workbooks that people send: opened within limits, written so that no cell is a formula."""

from __future__ import annotations

import io
import zipfile
from typing import Any
from xml.etree.ElementTree import ParseError

from openpyxl import Workbook, load_workbook
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE, Cell
from openpyxl.packaging.custom import StringProperty
from openpyxl.utils.exceptions import InvalidFileException
from openpyxl.worksheet.formula import ArrayFormula, DataTableFormula

MOST_BYTES = 20 << 20
# A register of 50,000 rows by 20 columns unpacks to about this much; openpyxl needs ten times it.
MOST_UNPACKED_BYTES = 48 << 20
MOST_CELLS = 1_000_000
_PACKED_PARTS = 2_000
_OLD_EXCEL = b"\xd0\xcf\x11\xe0"
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_MEGABYTE = 1 << 20


class RegisterFileError(ValueError):
    """A file that cannot be checked at all; the message says why and what to do, in Russian."""


def open_workbook(content: bytes) -> Workbook:
    """The workbook, formulas as they are written. Raises RegisterFileError.

    What an archive says about its size is weighed before anything is unpacked; entities in XML
    are refused by defusedxml, which openpyxl reads with.
    """
    if len(content) > MOST_BYTES:
        raise RegisterFileError(
            f"Файл больше {MOST_BYTES // _MEGABYTE} МБ. Разделите реестр или уберите из файла "
            "рисунки и лишние листы."
        )
    if content.startswith(_OLD_EXCEL):
        raise RegisterFileError(
            "Это книга старого формата (.xls) или книга с паролем. Сохраните её как "
            "«Книга Excel (.xlsx)» без пароля."
        )
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            parts = archive.infolist()
    except zipfile.BadZipFile:
        raise RegisterFileError(
            "Это не книга Excel (.xlsx), или файл повреждён. Сохраните реестр заново."
        ) from None
    unpacked = sum(part.file_size for part in parts)
    if unpacked > MOST_UNPACKED_BYTES or len(parts) > _PACKED_PARTS:
        raise RegisterFileError(
            f"Внутри файла {unpacked // _MEGABYTE} МБ в {len(parts)} частях: это больше, чем "
            f"бывает у реестра ({MOST_UNPACKED_BYTES // _MEGABYTE} МБ). Возьмите чистый шаблон и "
            "перенесите в него значения."
        )
    try:
        return load_workbook(io.BytesIO(content), keep_links=False, keep_vba=False)
    # What openpyxl raises on broken books is not one family.
    except (
        InvalidFileException,
        zipfile.BadZipFile,
        ParseError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        IndexError,
        OSError,
    ) as error:
        raise RegisterFileError(
            "Книга не открывается: файл повреждён или записан не табличной программой "
            f"({type(error).__name__}). Возьмите чистый шаблон и перенесите в него значения."
        ) from None


def is_formula(value: Any) -> bool:
    """True for a formula, and for a text that would become one when it is copied elsewhere."""
    if isinstance(value, ArrayFormula | DataTableFormula):
        return True
    return isinstance(value, str) and value.startswith("=")


def put(cell: Cell, value: Any) -> None:
    """Write a value that a table program will show and not compute."""
    if isinstance(value, ArrayFormula | DataTableFormula):
        value = str(getattr(value, "text", None) or "=")
    if isinstance(value, str):
        value = ILLEGAL_CHARACTERS_RE.sub(" ", value)
    cell.value = value
    if isinstance(value, str):
        cell.data_type = "s"
        if value.startswith(_FORMULA_STARTS):
            cell.quotePrefix = True


def saved(book: Workbook) -> bytes:
    """The bytes of the workbook."""
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def label(book: Workbook, **facts: str) -> None:
    """Write facts into the properties of the document, where nobody edits them."""
    for name, value in facts.items():
        book.custom_doc_props.append(StringProperty(name=f"tsur_{name}", value=value))


def labels_of(book: Workbook) -> dict[str, str]:
    """The facts that `label` wrote; a book from elsewhere has none."""
    return {
        str(one.name).removeprefix("tsur_"): str(one.value)
        for one in book.custom_doc_props.props
        if str(one.name).startswith("tsur_")
    }
