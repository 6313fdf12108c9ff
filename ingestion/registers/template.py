"""`tsur register template`: an XLSX that a person can fill in without asking anybody.

Three sheets: «Данные» holds the headings and nothing else, so that no example is ever loaded;
«Пояснения» says what the register is for and what each column means, with an example;
«Справочники», hidden and locked, holds the values of the drop-downs.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import Any

from openpyxl import Workbook
from openpyxl.styles import Alignment, Border, Font, PatternFill, Side
from openpyxl.utils import get_column_letter
from openpyxl.utils.datetime import to_excel
from openpyxl.worksheet.datavalidation import DataValidation
from openpyxl.worksheet.worksheet import Worksheet

from ingestion.constraints import shown, written
from ingestion.registers.columns import Column, columns_of, register_entity
from ingestion.registers.contract import Template, seed_rows
from ingestion.registers.workbook import label, put, saved
from ingestion.source import Source

DATA_SHEET, NOTES_SHEET, LISTS_SHEET = "Данные", "Пояснения", "Справочники"
# How far down drop-downs and prompts reach.
PREPARED_ROWS = 5_000
# The longest that Excel takes; with a longer one it calls the file damaged.
_TITLE_LENGTH, _PROMPT_LENGTH, _ERROR_LENGTH = 32, 255, 225
_NARROWEST, _WIDEST = 13, 44
_FIRST_DAY, _LAST_DAY = date(1990, 1, 1), date(2099, 12, 31)

REQUIRED_FILL = PatternFill("solid", fgColor="1F4E78")
OPTIONAL_FILL = PatternFill("solid", fgColor="8497B0")
_LINE = Side(style="thin", color="BFBFBF")
_FRAME = Border(left=_LINE, right=_LINE, top=_LINE, bottom=_LINE)
_WRAPPED = Alignment(wrap_text=True, vertical="top")

_STEPS = (
    "Заполняйте лист «Данные»: одна строка — одна запись. Заголовки не меняйте и не переставляйте "
    "в другую строку.",
    "Тёмные заголовки — обязательные столбцы, светлые можно оставить пустыми.",
    "Где есть список, выбирайте из него; даты пишите как в примере; формулы не вставляйте.",
    "Файл — это весь реестр: строка, которой в нём нет, считается удалённой.",
    "Перед отправкой файл проверяют: ошибки вернутся этим же файлом, ячейки будут отмечены, "
    "а столбец «Что исправить» скажет почему.",
)


def write_template(source: Source, region: str | None, day: date) -> bytes:
    """The workbook for one region, or for all of the source; lists hold what is valid on `day`.

    Raises NotARegisterError when the source has no template, UnknownRegionError for a region
    that it does not deliver for.
    """
    entity = register_entity(source)
    regions = [source.region(region).code] if region else [one.code for one in source.regions]
    columns = columns_of(entity, regions, day)
    book = Workbook()
    data = book.active
    if not isinstance(data, Worksheet) or entity.template is None:
        raise TypeError("a new workbook has one sheet, a register its template")
    data.title = entity.format.sheet or DATA_SHEET
    notes, lists = book.create_sheet(NOTES_SHEET), book.create_sheet(LISTS_SHEET)
    _write_lists(lists, columns)
    _write_data(data, columns)
    _write_notes(notes, columns, entity.template, regions, day)
    book.active = book.index(data)
    facts = {"register": source.code} | ({"region": region} if region else {})
    label(book, **facts)
    return saved(book)


def head(cell: Any, is_required: bool) -> None:
    """A heading as the template draws it."""
    cell.fill = REQUIRED_FILL if is_required else OPTIONAL_FILL
    cell.font = Font(bold=True, color="FFFFFF")
    cell.alignment = Alignment(wrap_text=True, vertical="center", horizontal="center")
    cell.border = _FRAME


def _write_data(sheet: Worksheet, columns: list[Column]) -> None:
    for number, column in enumerate(columns, start=1):
        letter = get_column_letter(number)
        cell = sheet.cell(1, number)
        put(cell, column.heading)
        head(cell, column.is_required)
        dimension = sheet.column_dimensions[letter]
        dimension.width = _width(column)
        dimension.number_format = _number_format(column)
        dimension.alignment = _WRAPPED
        rule = _validation(column, letter)
        rule.add(f"{letter}2:{letter}{PREPARED_ROWS + 1}")
        sheet.add_data_validation(rule)
    sheet.row_dimensions[1].height = 48
    sheet.freeze_panes = "B2" if columns and columns[0].is_key else "A2"
    sheet.page_setup.orientation = "landscape"
    sheet.page_setup.fitToHeight = 0
    sheet.sheet_properties.pageSetUpPr.fitToPage = True
    sheet.print_title_rows = "1:1"


def _width(column: Column) -> float:
    longest_word = max(len(word) for word in column.heading.split())
    wanted = [len(shown(column.example)), longest_word + 5, len(column.heading) / 2 + 4]
    if column.type == "raw" or (column.type == "text" and not column.words):
        wanted.append(len(column.explanation) / 3)
    wanted += [len(word) * 0.8 for word in column.words]
    return min(max(_NARROWEST, *wanted), _WIDEST)


def _number_format(column: Column) -> str:
    if column.type in ("date", "datetime"):
        return "DD.MM.YYYY HH:MM" if column.has_time else "DD.MM.YYYY"
    if column.type == "integer":
        return "0"
    # A number that is a name («0042», «2026-09») stays as it is typed.
    return "General" if column.type == "number" else "@"


def _validation(column: Column, letter: str) -> DataValidation:
    rule = DataValidation(allow_blank=True, showInputMessage=True)
    rule.promptTitle = column.heading[:_TITLE_LENGTH]
    need = "обязательно" if column.is_required else "можно не заполнять"
    rule.prompt = _cut(f"{column.explanation} ({column.kind}; {need})", _PROMPT_LENGTH)
    rule.errorTitle = "Проверьте значение"
    rule.error = _cut(f"«{column.heading}»: нужно {column.kind}.", _ERROR_LENGTH)
    if column.words:
        rule.type = "list"
        rule.formula1 = f"{LISTS_SHEET}!${letter}$2:${letter}${len(column.words) + 1}"
        rule.showErrorMessage = True
        # An accepted short name is not in the drop-down: the person is asked, not stopped.
        rule.errorStyle = "stop" if column.is_closed else "warning"
    elif column.type in ("date", "datetime"):
        least, most = _bounds(column, _FIRST_DAY, _LAST_DAY)
        rule.type, rule.operator, rule.showErrorMessage = "date", "between", True
        # A serial number: a date as text would be read by the settings of each machine.
        rule.formula1, rule.formula2 = (str(int(to_excel(one))) for one in (least, most))
    elif column.type in ("integer", "number"):
        least, most = _bounds(column, -(10**12), 10**12)
        rule.type = "whole" if column.type == "integer" else "decimal"
        rule.operator, rule.showErrorMessage = "between", True
        rule.formula1, rule.formula2 = _plain(least), _plain(most)
    return rule


def _bounds(column: Column, least: Any, most: Any) -> tuple[Any, Any]:
    rule = column.rule
    if rule is None:
        return least, most
    return (
        least if rule.minimum is None else rule.minimum,
        most if rule.maximum is None else rule.maximum,
    )


def _plain(number: float) -> str:
    """A number without an exponent, as a formula takes it."""
    return str(int(number)) if float(number).is_integer() else repr(number)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def _write_lists(sheet: Worksheet, columns: list[Column]) -> None:
    """Each list under its heading, in the column of the data sheet."""
    for number, column in enumerate(columns, start=1):
        if column.words:
            put(sheet.cell(1, number), column.heading)
            for row, word in enumerate(column.words, start=2):
                put(sheet.cell(row, number), word)
    sheet.protection.sheet = True
    sheet.sheet_state = "hidden"


def _write_notes(
    sheet: Worksheet,
    columns: list[Column],
    template: Template,
    regions: Collection[str],
    day: date,
) -> None:
    lines = [
        template.title,
        template.purpose,
        f"Списки действительны на {day:%d.%m.%Y}. Основание:",
        *(_grounds(template, region) for region in regions),
        *(f"{number}. {step}" for number, step in enumerate(_STEPS, start=1)),
    ]
    for row, line in enumerate(lines, start=1):
        cell = sheet.cell(row, 1)
        put(cell, line)
        cell.alignment = _WRAPPED
        sheet.merge_cells(start_row=row, start_column=1, end_row=row, end_column=5)
        sheet.row_dimensions[row].height = 15 * (1 + len(line) // 120)
    sheet.cell(1, 1).font = Font(bold=True, size=14)
    sheet.row_dimensions[1].height = 22
    top = len(lines) + 2
    key = [column.heading for column in columns if column.is_key]
    headings = ("Столбец", "Что писать", "Обязателен", "Допустимые значения", "Пример")
    for number, (heading, width) in enumerate(
        zip(headings, (30, 60, 17, 44, 36), strict=True), start=1
    ):
        cell = sheet.cell(top, number)
        put(cell, heading)
        head(cell, is_required=True)
        sheet.column_dimensions[get_column_letter(number)].width = width
    for row, column in enumerate(columns, start=top + 1):
        told = (
            column.heading,
            column.explanation,
            _need(column, key),
            _allowed(column),
            written(column.example),
        )
        for number, text in enumerate(told, start=1):
            cell = sheet.cell(row, number)
            put(cell, text)
            cell.alignment = _WRAPPED
            cell.border = _FRAME
    sheet.freeze_panes = sheet.cell(top + 1, 1)


def _grounds(template: Template, region: str) -> str:
    """The act of a region and the clauses that ask for the register (DOMAIN.md 1)."""
    told = next((row for row in seed_rows("regions.csv") if row["region_code"] == region), None)
    name, act = (told["region_name"], told["act"]) if told else (region, "")
    if region not in template.clauses:
        return f"{name}: вне положения, акт региона этого реестра не требует"
    return f"{name}: {act}, {template.clauses[region]}"


def _need(column: Column, key: list[str]) -> str:
    if column.is_key:
        others = ", ".join(f"«{heading}»" for heading in key if heading != column.heading)
        return f"да, не повторяется вместе с {others}" if others else "да, не повторяется"
    if column.is_required:
        return "да"
    return "иногда" if column.rule is not None and column.rule.required_when else "нет"


def _allowed(column: Column) -> str:
    parts = [column.kind]
    # A short list is read here, a long one is in the drop-down.
    if column.words and len(column.words) <= 12:
        parts.append(": " + ", ".join(column.words))
    if column.is_identity:
        parts.append(". В хранилище попадает псевдоним, имя хранится отдельно")
    return "".join(parts)
