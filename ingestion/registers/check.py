"""`tsur register check`: a returned file read whole, everything that is wrong marked in a copy.

The values are read by the loader's own client and mapper, and judged by the constraints that the
loader applies: what passes here lands, what is refused here would go to quarantine.
"""

from __future__ import annotations

import base64
import io
import json
import secrets
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from openpyxl import Workbook
from openpyxl.cell.cell import Cell, MergedCell
from openpyxl.comments import Comment
from openpyxl.styles import Alignment, PatternFill
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.worksheet import Worksheet

from ingestion.clients.base import Item
from ingestion.clients.register import RegisterClient
from ingestion.constraints import alike, constraints, formulas, shown, without_constraints
from ingestion.errors import RecordError, UnreadableAnswer
from ingestion.formats.header import folded
from ingestion.mapping import Mapper, required_fields
from ingestion.registers.columns import Column, columns_of, register_entity
from ingestion.registers.contract import REMARKS_COLUMN
from ingestion.registers.returned import NO_ROWS, stranger
from ingestion.registers.template import head
from ingestion.registers.workbook import (
    RegisterFileError,
    is_formula,
    labels_of,
    open_workbook,
    put,
    saved,
    within_grid,
)
from ingestion.source import Entity, Region, Source
from ingestion.spool import nameless_file
from ingestion.vault import Vault

SUMMARY_SHEET = "Итог проверки"
_AUTHOR = "Проверка ЦУР"
_MARK = "FFC7CE"
_MARKED = PatternFill("solid", fgColor=_MARK)
_UNMARKED = PatternFill()
_WRAPPED = Alignment(wrap_text=True, vertical="top")
# Notes are drawings, and a book with many of them opens slowly: the rest is told by the column.
_MOST_NOTES = 1_000
_MOST_SUMMARY_ROWS = 5_000

# What is wrong, without the value: this is what a log may hold.
KINDS = {
    "formula": "формула вместо значения",
    "unknown_column": "столбца нет в реестре",
    "repeated_column": "столбец назван дважды",
    "missing_column": "столбца не хватает",
    "no_rows": "нет ни одной записи",
    "missing_key": "не заполнено",
    "missing_value": "не заполнено",
    "repeated_key": "запись повторяется",
    "not_in_list": "значения нет в списке",
    "unknown_value": "значения нет в списке",
    "bad_date": "не дата",
    "date_out_of_range": "дата вне пределов",
    "bad_number": "не число",
    "bad_boolean": "не «да» и не «нет»",
    "out_of_bounds": "число или дата вне пределов",
    "breaks_rule": "нарушено правило столбца",
    "invalid_character": "недопустимый символ",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to mend: the row of the sheet (1 = headings) and the column by its heading.

    A column that the register does not know goes by its letter.

    `sentence` may quote the cell: it is for the file, whose owner knows what it holds, and never
    for a log. `kind` says the same without the value.
    """

    row: int
    column: str | None
    code: str
    sentence: str

    @property
    def kind(self) -> str:
        return KINDS.get(self.code, self.code)


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check found. `marked` is the workbook to send back, None when all is right."""

    register: str
    region: str | None
    rows: int
    problems: list[Problem]
    marked: bytes | None


@dataclass(slots=True)
class _Heading:
    """The first row: where each known column stands, and what is wrong with it.

    `stand_ins` are names of the template whose column came under another accepted name.
    """

    places: dict[str, int] = field(default_factory=dict)
    stand_ins: dict[str, int] = field(default_factory=dict)
    remarks: int | None = None
    width: int = 0
    missing: list[str] = field(default_factory=list)
    problems: list[tuple[int, Problem]] = field(default_factory=list)


def check_register(
    source: Source, content: bytes, *, region: str | None, observed_at: datetime
) -> Checked:
    """Check a returned workbook from its bytes, which stay as they are.

    `region` is the one that the template was made for, unless it is given; without either, what
    any region of the source may write is accepted. Raises NotARegisterError, UnknownRegionError,
    and RegisterFileError for what is no workbook of this register and region.
    """
    entity = register_entity(source)
    book = open_workbook(content)
    labels = labels_of(book)
    foreign = stranger(labels, source.code, region)
    if foreign is not None:
        raise RegisterFileError(f"{foreign[1]}.", foreign[0])
    region = region or labels.get("region")
    regions = [source.region(region)] if region else list(source.regions)
    sheet = _data_sheet(book, entity)
    columns = columns_of(entity, [one.code for one in regions], observed_at.date())
    _unmark(book, sheet, {folded(one.heading) for one in columns if one.is_required})
    heading = _read_heading(sheet, entity, columns)
    problems = [problem for _, problem in heading.problems]
    if problems:
        # The loader would refuse the file as a whole: it is given what of it can be told.
        content = _plain(sheet, entity, heading)
    items = _items(source, entity, regions[0], content)
    if not items:
        problems.append(Problem(2, None, "no_rows", NO_ROWS))
    judge = _Judge(source, entity, regions, columns, observed_at)
    for item in items:
        problems += judge.problems(item)
    problems.sort(key=lambda problem: problem.row)
    marked = _mark(book, sheet, heading, problems) if problems else None
    return Checked(source.code, region, len(items), problems, marked)


def _data_sheet(book: Workbook, entity: Entity) -> Worksheet:
    name = entity.format.sheet or book.sheetnames[0]
    sheet = book[name] if name in book.sheetnames else None
    if not isinstance(sheet, Worksheet):
        raise RegisterFileError(
            f"В книге нет листа «{name}», есть: {', '.join(book.sheetnames)}. "
            "Данные реестра должны стоять на нём."
        )
    within_grid(name, sheet.max_row or 0, sheet.max_column or 0)
    return sheet


# --- the first row -------------------------------------------------------------------------------


def _read_heading(sheet: Worksheet, entity: Entity, columns: list[Column]) -> _Heading:
    known = {folded(name): name for name in entity.fields}
    result = _Heading()
    written = [(cell.column, _text(cell.value)) for cell in next(sheet.iter_rows(max_row=1), ())]
    while written and not written[-1][1] and _is_empty(sheet, written[-1][0]):
        written.pop()
    if not any(text for _, text in written):
        raise RegisterFileError(
            f"Первая строка листа «{sheet.title}» пуста: в ней должны стоять заголовки столбцов."
        )
    result.width = len(written)
    strangers: list[tuple[int, str]] = []
    for number, text in written:
        name = known.get(folded(text))
        if name == REMARKS_COLUMN and result.remarks is None:
            result.remarks = number
        elif name is None:
            strangers.append((number, text))
        elif name in result.places or name == REMARKS_COLUMN:
            problem = Problem(
                1, text, "repeated_column", f"Столбец «{text}» назван дважды: оставьте один"
            )
            result.problems.append((number, problem))
        else:
            result.places[name] = number
    for rule in entity.record.values():
        for name in rule.from_[1:]:
            if name in result.places:
                result.stand_ins.setdefault(rule.from_[0], result.places[name])
    wanted = [column.heading for column in columns]
    absent = [
        next((name for name in wanted if name in group), group[0])
        for group in required_fields(entity)
        if result.places.keys().isdisjoint(group)
    ]
    if entity.contract.missing == "freeze":
        result.missing = list(dict.fromkeys(absent))
    if entity.contract.columns in ("freeze", "discard_row"):
        for number, text in strangers:
            result.problems.append((number, _stranger(number, text, result.missing)))
    for name in result.missing:
        # The column is put where the person can fill it in.
        result.width += 1
        result.places[name] = result.width
        problem = Problem(
            1, name, "missing_column", f"Не хватает столбца «{name}»: он добавлен, заполните его"
        )
        result.problems.append((result.width, problem))
    return result


def _stranger(number: int, text: str, missing: list[str]) -> Problem:
    # Told by its letter: where the headings are gone, what stands in their place may be a name.
    letter = get_column_letter(number)
    if text:
        sentence = f"Столбца «{shown(text)}» нет в реестре: удалите его или исправьте заголовок"
        sentence += alike(text, missing)
    else:
        sentence = f"Столбец {letter} без заголовка: подпишите его по шаблону или удалите"
    return Problem(1, letter, "unknown_column", sentence)


def _is_empty(sheet: Worksheet, number: int) -> bool:
    cells = sheet.iter_rows(min_row=2, min_col=number, max_col=number, values_only=True)
    return all(value is None for (value,) in cells)


def _text(value: Any) -> str:
    return "" if value is None else " ".join(str(value).split())


# --- the rows ------------------------------------------------------------------------------------


def _plain(sheet: Worksheet, entity: Entity, heading: _Heading) -> bytes:
    """The known columns under their own names, row by row as they stand."""
    book = Workbook(write_only=True)
    page = book.create_sheet(entity.format.sheet or sheet.title)
    places = list(heading.places.items())
    page.append([name for name, _ in places])
    for row in sheet.iter_rows(min_row=2, values_only=True):
        values = [row[number - 1] if number <= len(row) else None for _, number in places]
        page.append(["=" if is_formula(value) else value for value in values])
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def _items(source: Source, entity: Entity, region: Region, content: bytes) -> list[Item]:
    client = RegisterClient(source, region)
    items: list[Item] = []
    try:
        with nameless_file(content) as path:
            for page in client.reread(entity, path, f"{source.code}.xlsx"):
                items += page.records()
    except UnreadableAnswer as error:
        error.content.close()
        if error.code != "no_rows":
            raise RegisterFileError(f"Файл не читается: {error.detail}", error.code) from None
    return items


class _Judge:
    """Says what is wrong with each record, all of it and not only the first."""

    def __init__(
        self,
        source: Source,
        entity: Entity,
        regions: list[Region],
        columns: list[Column],
        observed_at: datetime,
    ) -> None:
        # A key for this check alone: it makes equal names equal, and is forgotten.
        vault = Vault(base64.urlsafe_b64encode(secrets.token_bytes(32)))
        # What is demanded of the values is judged apart: all of it, and for several regions. A
        # value of a wrong type is told, whatever the loader would make of it.
        reads = {name: without_constraints(rule) for name, rule in entity.record.items()}
        contract = entity.contract.model_copy(
            update={"columns": "evolve", "data_type": "discard_row"}
        )

        def mapper(**changes: Any) -> Mapper:
            reading = entity.model_copy(update={"contract": contract, **changes})
            return Mapper(source, reading, regions[0], vault)

        self._whole = mapper(record=reads)
        self._fields = {
            name: mapper(record={name: rule}, key="content") for name, rule in reads.items()
        }
        self._entity = entity
        self._constraints = constraints(entity, [one.code for one in regions], shown)
        self._columns = {column.heading: column for column in columns}
        self._observed_at = observed_at
        self._seen: dict[str, int] = {}

    def problems(self, item: Item) -> Iterator[Problem]:
        """Everything that is wrong with a record."""
        row = item.row_number or 0
        if item.error is not None:
            yield Problem(row, item.error.field, item.error.code, item.error.detail)
            return
        computed = {one.field: one.detail for one in formulas(item.fields)}
        for name, told in computed.items():
            yield Problem(row, name, "formula", told)
        # What else is wrong with the row is told as though these cells were empty.
        item = replace(item, fields=item.fields | {str(name): "" for name in computed})
        found = list(self._key(item, row))
        refused = self._refused(item)
        if refused is not None:
            found += self._of_fields(item, row)
            # The loader has the last word, also where no single field explains it.
            found = found or [self._told(row, refused, item)]
        # An empty key is told once, whatever else reads the same column.
        unique = {
            (one.column, one.kind): one for one in reversed(found) if one.column not in computed
        }
        order = list(self._columns)
        yield from sorted(
            unique.values(),
            key=lambda one: order.index(one.column) if one.column in order else len(order),
        )

    def _refused(self, item: Item) -> RecordError | None:
        """Why the loader would not land the record; None when it would."""
        try:
            landed = self._whole.land(item.fields, item.derived, self._observed_at)
            if self._constraints is not None:
                self._constraints.check(json.loads(landed.record))
        except RecordError as error:
            return error
        return None

    def _of_fields(self, item: Item, row: int) -> Iterator[Problem]:
        """What is wrong with each field by itself, and then between them."""
        record: dict[str, Any] = {}
        unread: set[str] = set()
        for name, mapper in self._fields.items():
            try:
                landed = mapper.land(self._inputs(name, item), item.derived, self._observed_at)
            except RecordError as error:
                unread.add(name)
                yield self._told(row, error, item)
            else:
                record |= json.loads(landed.record)
        if self._constraints is not None:
            for broken in self._constraints.violations(record, skip=unread):
                yield Problem(row, broken.field, broken.code, broken.detail)

    def _inputs(self, name: str, item: Item) -> dict[str, Any]:
        wanted = self._entity.record[name].inputs
        return {column: item.fields[column] for column in wanted if column in item.fields}

    def _key(self, item: Item, row: int) -> Iterator[Problem]:
        if self._entity.key == "content":
            return
        empty = [
            name
            for name in self._entity.key
            if str(item.fields.get(name) or "").strip() in self._entity.nulls
        ]
        for name in empty:
            sentence = f"«{name}»: не заполнено, а без этого записи не отличить друг от друга"
            yield Problem(row, name, "missing_key", sentence)
        native_id = None if empty else self._whole.native_id_of(item.fields, item.derived)
        if native_id is None:
            return
        first = self._seen.setdefault(native_id, row)
        if first != row:
            names = ", ".join(f"«{name}»" for name in self._entity.key)
            sentence = f"{names}: такая запись уже есть в строке {first}; оставьте одну"
            yield Problem(row, self._entity.key[0], "repeated_key", sentence)

    def _told(self, row: int, error: RecordError, item: Item) -> Problem:
        """What the mapper says in its own words, in those of the person who filled in the row."""
        column = self._columns.get(error.field or "")
        heading = error.field or "Запись"
        written = str(item.fields.get(error.field or "", "")).strip()
        quoted = "значение" if column is None or column.is_identity else f"«{shown(written)}»"
        reason = KINDS.get(error.code, error.detail)
        if error.code == "bad_date" and column is not None:
            day = self._observed_at if column.has_time else self._observed_at.date()
            form = f"{column.date_form}, например {shown(day)}"
            reason = f"{quoted} — не дата; напишите её так: {form}"
        elif error.code == "date_out_of_range":
            reason = f"{quoted} — раньше 1990 года или позже, чем через десять лет"
        elif error.code == "bad_number":
            whole = column is not None and column.type == "integer"
            reason = f"{quoted} — не {'целое ' if whole else ''}число"
        elif error.code == "bad_boolean":
            reason = f"{quoted} — напишите «да» или «нет»"
        elif error.code == "out_of_bounds":
            needed = "другое число" if column is None else column.kind
            reason = f"{quoted} не подходит, нужно {needed}"
        elif error.code == "unknown_value" and column is not None:
            words = column.words
            near = alike(written, words)
            listed = f"; можно: {', '.join(words)}" if not near and len(words) <= 12 else near
            reason = f"{quoted} нет в списке{listed}"
        return Problem(row, error.field, error.code, f"«{heading}»: {reason}")


# --- the copy that goes back ---------------------------------------------------------------------


def _unmark(book: Workbook, sheet: Worksheet, required: set[str]) -> None:
    """Take away what an earlier check left, so that a corrected file is judged as it is."""
    if SUMMARY_SHEET in book.sheetnames:
        del book[SUMMARY_SHEET]
    for merged in list(sheet.merged_cells.ranges):
        sheet.unmerge_cells(str(merged))
    for row in sheet.iter_rows():
        for cell in row:
            if cell.comment is not None and cell.comment.author == _AUTHOR:
                cell.comment = None
            if str(cell.fill.fgColor.rgb)[-6:] == _MARK:
                cell.fill = _UNMARKED
                if cell.row == 1:
                    head(cell, is_required=folded(_text(cell.value)) in required)


def _mark(book: Workbook, sheet: Worksheet, heading: _Heading, problems: list[Problem]) -> bytes:
    """The workbook with marked cells, the column that says why, and a sheet that lists it all."""
    for page in book.worksheets:
        for row in page.iter_rows():
            for cell in row:
                if isinstance(cell, Cell) and is_formula(cell.value):
                    put(cell, cell.value)
    for name in heading.missing:
        added = sheet.cell(1, heading.places[name])
        put(added, name)
        head(added, is_required=True)
        sheet.column_dimensions[added.column_letter].width = max(14, len(name) + 2)
    remarks = heading.remarks or heading.width + 1
    _clear(sheet, remarks)
    title = sheet.cell(1, remarks)
    put(title, REMARKS_COLUMN)
    head(title, is_required=True)
    sheet.column_dimensions[get_column_letter(remarks)].width = 60
    of_heading = {problem: number for number, problem in heading.problems}
    sentences: dict[int, list[str]] = defaultdict(list)
    reasons: dict[tuple[int, int], list[str]] = defaultdict(list)
    for problem in problems:
        number = of_heading.get(problem) or _place(heading, problem)
        if number is not None:
            reasons[problem.row, number].append(problem.sentence)
        if problem.row > 1:
            sentences[problem.row].append(problem.sentence)
    for place, told in reasons.items():
        cell = sheet.cell(*place)
        cell.fill = _MARKED
        if len(sentences) <= _MOST_NOTES:
            cell.comment = Comment("\n".join(told), _AUTHOR, width=320, height=90)
    for row_number, told in sentences.items():
        cell = sheet.cell(row_number, remarks)
        put(cell, "\n".join(f"{sentence}." for sentence in told))
        cell.alignment = _WRAPPED
    _summarise(book, problems)
    return saved(book)


def _clear(sheet: Worksheet, number: int) -> None:
    for (cell,) in sheet.iter_rows(min_row=2, min_col=number, max_col=number):
        if not isinstance(cell, MergedCell):
            cell.value = None


def _place(heading: _Heading, problem: Problem) -> int | None:
    """The number of the column in which a problem's cell stands."""
    if problem.column is None:
        return None
    return heading.places.get(problem.column) or heading.stand_ins.get(problem.column)


def _summarise(book: Workbook, problems: list[Problem]) -> None:
    page = book.create_sheet(SUMMARY_SHEET)
    rows = len({problem.row for problem in problems})
    put(
        page.cell(1, 1),
        f"Найдено: {len(problems)}, строк с ошибками: {rows}. Исправьте отмеченные ячейки и "
        f"пришлите файл снова; столбец «{REMARKS_COLUMN}» и этот лист удалять не нужно.",
    )
    for number, (name, width) in enumerate(
        (("Строка", 10), ("Столбец", 32), (REMARKS_COLUMN, 100)), start=1
    ):
        cell = page.cell(3, number)
        put(cell, name)
        head(cell, is_required=True)
        page.column_dimensions[get_column_letter(number)].width = width
    for row, problem in enumerate(problems[:_MOST_SUMMARY_ROWS], start=4):
        for number, value in enumerate((problem.row, problem.column, problem.sentence), start=1):
            cell = page.cell(row, number)
            put(cell, value)
            cell.alignment = _WRAPPED
    page.freeze_panes = "A4"
