"""Workbooks that people send: opened within limits, written so that no cell is a formula."""

from __future__ import annotations

import io
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, BinaryIO
from xml.etree.ElementTree import Element, ParseError

from defusedxml.ElementTree import iterparse
from openpyxl import Workbook, load_workbook
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE, Cell
from openpyxl.packaging.custom import StringProperty
from openpyxl.reader.excel import ExcelReader
from openpyxl.utils.cell import coordinate_to_tuple
from openpyxl.utils.exceptions import CellCoordinatesException, InvalidFileException
from openpyxl.worksheet.formula import ArrayFormula, DataTableFormula

from ingestion.formats.delivered import BROKEN_ARCHIVE
from ingestion.formats.markup import local_name
from ingestion.registers.contract import is_formula_text

MOST_BYTES = 20 << 20
# A register of 50,000 rows by 20 columns unpacks to about this much; openpyxl needs ten times it.
MOST_UNPACKED_BYTES = 48 << 20
# Names, styles, properties: all that is neither a row nor a text takes some kilobytes.
_MOST_AROUND_ROWS = 4 << 20
_ROWS_AND_TEXTS = ("xl/worksheets/", "xl/sharedStrings.xml")
MOST_CELLS = 1_000_000
_PACKED_PARTS = 2_000
_OLD_EXCEL, _ZIP = b"\xd0\xcf\x11\xe0", b"PK\x03\x04"
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_MEGABYTE = 1 << 20
# What openpyxl raises on broken books is not one family.
_BROKEN = (
    InvalidFileException,
    CellCoordinatesException,
    *BROKEN_ARCHIVE,
    ParseError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    IndexError,
    OSError,
)


class RegisterFileError(ValueError):
    """A file that cannot be a register; the message says why and what to do, in Russian.

    `code` is what the loader calls it.
    """

    def __init__(self, message: str, code: str = "broken_workbook") -> None:
        super().__init__(message)
        self.code = code


def open_workbook(content: bytes) -> Workbook:
    """The workbook, formulas as they are written. Raises RegisterFileError.

    Entities in XML are refused by defusedxml, which openpyxl reads with.
    """
    file = io.BytesIO(content)
    _weigh(file)
    with _readable():
        return load_workbook(file, keep_links=False, keep_vba=False)


def is_workbook(path: Path) -> bool:
    """True for a file that begins as workbooks do, of Excel 97 too."""
    with path.open("rb") as file:
        return file.read(4) in (_OLD_EXCEL, _ZIP)


def labels_in(path: Path) -> dict[str, str]:
    """What `label` wrote into a workbook, of which no sheet is read. Raises RegisterFileError."""
    with _index(path) as index:
        return labels_of(index.wb)


def formulas_of(path: Path, sheet: str) -> dict[int, set[int]]:
    """Row → columns of a sheet in which a formula stands, numbered from 1; nothing is computed.

    Cells are read one by one, and a sheet that reaches beyond `MOST_CELLS` is refused before a
    reader makes room for it. Raises RegisterFileError.
    """
    found: dict[int, set[int]] = defaultdict(set)
    rows = columns = 0
    with _index(path) as index:
        parts = {one.name: place.target for one, place in index.parser.find_sheets()}
        with index.archive.open(parts[sheet]) as stream:
            for row, column, cell in _cells(stream):
                rows, columns = max(rows, row), max(columns, column)
                if rows * columns > MOST_CELLS:
                    break
                if any(local_name(part.tag) == "f" for part in cell):
                    found[row].add(column)
    within_grid(sheet, rows, columns)
    return dict(found)


def _cells(stream: IO[bytes]) -> Iterator[tuple[int, int, Element]]:
    """Row, column and element of every cell that is not empty; each is let go afterwards."""
    ancestors: list[Element] = []
    row = column = inside = 0
    for event, element in iterparse(stream, events=("start", "end"), forbid_dtd=True):
        name = local_name(element.tag)
        if event == "start":
            ancestors.append(element)
            if name == "row":
                row, column = int(element.get("r") or row + 1), 0
            elif name == "c":
                inside += 1
                column += 1
                if reference := element.get("r"):
                    row, column = coordinate_to_tuple(reference)
            continue
        ancestors.pop()
        inside -= name == "c"
        if inside:
            continue
        if name == "sheetData":
            return
        if name == "c" and len(element):
            yield row, column, element
        if ancestors:
            ancestors[-1].remove(element)


@contextmanager
def _index(path: Path) -> Iterator[ExcelReader]:
    """A workbook of which only the list of its parts and the properties are read."""
    with path.open("rb") as file:
        _weigh(file)
        with _readable():
            index = ExcelReader(file, keep_links=False)
            index.read_manifest()
            index.read_workbook()
            index.read_custom()
            yield index


@contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except RegisterFileError:
        raise
    except _BROKEN as error:
        raise RegisterFileError(
            "Книга не открывается: файл повреждён или записан не табличной программой "
            f"({type(error).__name__}). Возьмите чистый шаблон и перенесите в него значения."
        ) from None


def within_grid(sheet: str, rows: int, columns: int) -> None:
    """RegisterFileError for a sheet that is larger than a register can be."""
    if rows * columns > MOST_CELLS:
        raise RegisterFileError(
            f"Лист «{sheet}» занимает {rows} строк и {columns} столбцов: это больше, чем бывает у "
            "реестра. Удалите пустые строки под таблицей и столбцы справа.",
            "workbook_too_large",
        )


def _weigh(file: BinaryIO) -> None:
    """Refuse what an archive says about its size, before anything of it is unpacked."""
    start = file.read(len(_OLD_EXCEL))
    if file.seek(0, io.SEEK_END) > MOST_BYTES:
        raise RegisterFileError(
            f"Файл больше {MOST_BYTES // _MEGABYTE} МБ. Разделите реестр или уберите из файла "
            "рисунки и лишние листы.",
            "workbook_too_large",
        )
    if start == _OLD_EXCEL:
        raise RegisterFileError(
            "Это книга старого формата (.xls) или книга с паролем. Сохраните её как "
            "«Книга Excel (.xlsx)» без пароля."
        )
    try:
        with zipfile.ZipFile(file) as archive:
            parts = archive.infolist()
    except BROKEN_ARCHIVE:
        raise RegisterFileError(
            "Это не книга Excel (.xlsx), или файл повреждён. Сохраните реестр заново."
        ) from None
    unpacked = sum(part.file_size for part in parts)
    if unpacked > MOST_UNPACKED_BYTES or len(parts) > _PACKED_PARTS:
        raise RegisterFileError(
            f"Внутри файла {unpacked // _MEGABYTE} МБ в {len(parts)} частях: это больше, чем "
            f"бывает у реестра ({MOST_UNPACKED_BYTES // _MEGABYTE} МБ). Возьмите чистый шаблон и "
            "перенесите в него значения.",
            "workbook_too_large",
        )
    around = sum(
        part.file_size
        for part in parts
        if part.filename.endswith(".xml") and not part.filename.startswith(_ROWS_AND_TEXTS)
    )
    if around > _MOST_AROUND_ROWS:
        raise RegisterFileError(
            f"Имена, стили и свойства книги занимают {around // _MEGABYTE} МБ: у реестра "
            "столько не бывает. Возьмите чистый шаблон и перенесите в него значения.",
            "workbook_too_large",
        )
    file.seek(0)


def is_formula(value: Any) -> bool:
    """True for a formula, and for a text that would become one when it is copied elsewhere."""
    return isinstance(value, ArrayFormula | DataTableFormula) or is_formula_text(value)


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
