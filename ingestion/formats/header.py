"""The head of a table: where it stands, which layout it is, and the rows below it as pages."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from datetime import time as time_of_day
from itertools import chain
from typing import Any

import msgspec

from ingestion.clients.base import PAGE_ITEMS, PAGE_SIZE, Item, Page
from ingestion.errors import RecordError
from ingestion.formats.delivered import LONGEST_ROW, DeliveredFile
from ingestion.mapping import required_fields, shape
from ingestion.source import Entity

# A row: its number in the file or sheet, from 1, and its cells.
Cells = tuple[int, list[Any]]

# How far down a heading is looked for.
_FARTHEST_HEADING = 50
# Cells of a row that a message tells.
_MOST_TOLD = 40


def folded(column: str) -> str:
    """One spelling of a heading: spaces, case and the letter Ё do not tell columns apart."""
    return " ".join(column.replace("\ufeff", "").split()).casefold().replace("ё", "е")


def cell_text(value: Any) -> str:
    """A cell as text, so that the same register as CSV and as XLSX gives the same record."""
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "да" if value else "нет"
    if isinstance(value, datetime):
        if value.time() == time_of_day():
            return value.date().isoformat()
        return value.isoformat(sep=" ")
    if isinstance(value, date | time_of_day):
        return value.isoformat()
    if isinstance(value, timedelta):
        return str(value)
    return str(value)


# Cells of these types are the same after packing.
_PACKED = frozenset((str, float))


@dataclass
class Rows:
    """Rows below a heading, not yet told apart into records.

    They are `packed` on the way between processes, until somebody asks for the items.
    `is_sheet` is False where they come from a text, in which bytes that are none were let through.
    """

    columns: list[str]
    separator: str
    derived: dict[str, str]
    is_sheet: bool
    rows: list[Cells] = field(default_factory=list)
    packed: bytes | None = None

    @property
    def is_costly(self) -> bool:
        return self.is_sheet

    def items(self) -> Iterator[Item]:
        """A row that has more or fewer cells than the heading, or broken bytes, is marked."""
        columns, width, derived = self.columns, len(self.columns), self.derived
        rows = self.rows if self.packed is None else msgspec.msgpack.decode(self.packed)
        for number, values in rows:
            cells = [value if type(value) is str else cell_text(value) for value in values]
            extra = len(cells) - width
            if extra > 0 and not any(cells[width:]):
                del cells[width:]
                extra = 0
            elif extra < 0 and self.is_sheet:
                cells += [""] * -extra  # a row of a sheet has no end
                extra = 0
            broken = not self.is_sheet and _is_broken("".join(cells))
            if broken or extra:
                yield self._bad(number, cells, broken)
                continue
            fields: dict[str, Any] = dict(zip(columns, cells, strict=False))
            yield Item(fields, number, derived)

    def __getstate__(self) -> dict[str, Any]:
        """On the way to another process: rows of plain values are packed far faster like this."""
        if self.packed is not None:
            return self.__dict__
        rows = self.rows
        if not _PACKED.issuperset(map(type, chain.from_iterable(cells for _, cells in rows))):
            rows = [(number, [*map(cell_text, cells)]) for number, cells in rows]
        try:
            packed = msgspec.msgpack.encode(rows)
        except UnicodeEncodeError:  # bytes that are no text stay in the cell as they came
            return self.__dict__
        return {**self.__dict__, "rows": [], "packed": packed}

    def _bad(self, number: int, cells: list[str], broken: bool) -> Item:
        if broken:
            error = RecordError("undecodable_text", f"Row {number}")
        else:
            error = RecordError(
                "row_shape", f"Row {number} has {len(cells)} cells, the header {len(self.columns)}"
            )
        buffer = io.StringIO()
        writer = csv.writer(buffer, delimiter=self.separator)
        writer.writerow(self.columns)
        writer.writerow(cells)
        # The row with its heading, in the bytes in which it came: replay can read it as a file.
        content = buffer.getvalue().encode("utf-8", "surrogateescape")
        return Item({}, row_number=number, error=error, raw=content)


# What `surrogateescape` makes of bytes that the encoding does not have.
_BROKEN = re.compile("[\udc80-\udcff]")


def _is_broken(text: str) -> bool:
    try:
        text.encode()  # far faster than a search, and most texts hold no half of a pair at all
    except UnicodeEncodeError:
        return _BROKEN.search(text) is not None
    return False


class Heading:
    """What the columns of a table are called, spelled as the YAML spells them."""

    def __init__(self, entity: Entity, file: DeliveredFile) -> None:
        self._entity = entity
        self._file = file
        self._known = entity.fields
        self._spelling = {folded(column): column for column in self._known}
        layouts = entity.format.layouts.values()
        self._names = {*self._spelling, *(folded(one) for needed in layouts for one in needed)}
        self._required = required_fields(entity)
        # Names of columns as this file writes them: a look at a row that costs nothing.
        self._written: set[Any] = set(self._known)

    def is_one(self, cells: list[Any]) -> bool:
        """True when the row holds every column that is needed, whatever else it holds."""
        present = {folded(cell_text(cell)) for cell in cells}
        wanted = [any(folded(name) in present for name in group) for group in self._required]
        if self._entity.contract.missing == "evolve":
            return sum(wanted) * 2 > len(wanted)
        return all(wanted)

    def looks_repeated(self, cells: list[Any]) -> bool:
        """True for a heading that comes again in mid-table, as on every printed page."""
        return not self._written.isdisjoint(cells) and self.is_one(cells)

    def likeness(self, cells: list[Any]) -> int:
        """How many of the cells are names that the YAML knows."""
        return len(self._names & {folded(cell_text(cell)) for cell in cells})

    def _told(self, columns: list[str]) -> str:
        """Cells for a message. What is no known name may be somebody's: only its form is told."""
        told = [one if folded(one) in self._names else shape(one) for one in columns[:_MOST_TOLD]]
        rest = len(columns) - len(told)
        return ", ".join(told) + (f" and {rest} more" if rest else "")

    def columns(self, number: int, cells: list[Any]) -> list[str]:
        """The names in row `number`. UnreadableAnswer when one is missing or stands there twice."""
        columns = [" ".join(cell_text(cell).replace("\ufeff", "").split()) for cell in cells]
        while columns and not columns[-1]:
            columns.pop()
        if not columns:
            raise self._file.refused("empty_file", "the first row is empty")
        columns = [
            self._spelling.get(folded(column), column) or f"№ {ordinal}"
            for ordinal, column in enumerate(columns, start=1)
        ]
        missing = self._missing(columns)
        # What stands there in place of a heading may be somebody's row.
        is_heading = not self._names or self.likeness(columns) > 0
        if not is_heading or (missing and self._entity.contract.missing == "freeze"):
            lacking = f"missing: {', '.join(missing) or 'a heading'}"
            if self._entity.format.layouts and self._fitting(columns) is None:
                lacking += f"; {self._unfit()}"
            found = f"found in row {number}: {self._told(columns)}"
            if not is_heading:
                found += ", none of which the YAML knows: the file may have no heading"
            raise self._file.refused("missing_column", f"{lacking}; {found}")
        repeated = sorted(column for column, times in Counter(columns).items() if times > 1)
        if repeated:
            raise self._file.refused("repeated_column", f"twice: {self._told(repeated)}")
        self._written.update(cell for cell in cells if isinstance(cell, str) and cell)
        return columns

    def _missing(self, columns: list[str]) -> list[str]:
        present = set(columns)
        missing = (" or ".join(group) for group in self._required if present.isdisjoint(group))
        return list(dict.fromkeys(missing))

    def vanished(self, columns: list[str]) -> dict[str, str]:
        """What the ledger says of columns that are needed and not there."""
        missing = self._missing(columns)
        return {"missing_columns": "; ".join(missing)} if missing else {}

    def unknown(self, columns: list[str]) -> tuple[str, ...]:
        """Columns that the YAML does not name."""
        unknown = tuple(column for column in columns if column not in self._known)
        if unknown and self._entity.contract.columns == "freeze":
            raise self._file.refused("unknown_column", f"unknown: {', '.join(unknown)}")
        return unknown

    def layout(self, columns: list[str]) -> dict[str, str]:
        """The first declared layout whose columns are all there."""
        if not self._entity.format.layouts:
            return {}
        name = self._fitting(columns)
        if name is None:
            detail = f"{self._unfit()}; found: {self._told(columns)}"
            raise self._file.refused("missing_column", detail)
        return {"layout": name}

    def _fitting(self, columns: list[str]) -> str | None:
        present = {folded(column) for column in columns}
        for name, needed in self._entity.format.layouts.items():
            if all(folded(column) in present for column in needed):
                return name
        return None

    def _unfit(self) -> str:
        layouts = self._entity.format.layouts
        told = "; ".join(f"{name}: {', '.join(needed)}" for name, needed in layouts.items())
        return f"no declared layout fits ({told})"


def table_pages(
    rows: Iterator[Cells],
    entity: Entity,
    file: DeliveredFile,
    found: dict[str, str],
    *,
    sheet: str | None,
    separator: str = ",",
) -> Iterator[Page]:
    """The rows below the heading. UnreadableAnswer when there is no heading that fits.

    Without a `sheet` they come from a text. A row may be longer than any record: it is refused.
    """
    size = 0
    heading = Heading(entity, file)
    columns, rows = _below(heading, rows, entity, file)
    block = _block(columns, entity, sheet)
    unknown = heading.unknown(columns)
    found = {**found, **heading.layout(columns), **heading.vanished(columns)}
    footers = [re.compile(pattern, re.IGNORECASE) for pattern in entity.format.footer]
    page = Page(
        [],
        sha256=file.sha256,
        bytes_read=file.size,
        unknown_columns=unknown,
        block=block,
        found=found,
    )
    for number, cells in rows:
        if heading.looks_repeated(cells):
            yield page
            columns = heading.columns(number, cells)
            block = _block(columns, entity, sheet)
            page = Page(
                [],
                sha256=file.sha256,
                unknown_columns=heading.unknown(columns),
                block=block,
            )
            continue
        if footers and _is_footer(cells, footers):
            continue
        length = sum([len(cell) for cell in cells if type(cell) is str])
        if length > LONGEST_ROW:
            told = f"row {number} has {length:,} characters, a row may have {LONGEST_ROW:,}"
            raise file.refused("record_too_large", told)
        block.rows.append((number, cells))
        size += length
        if len(block.rows) >= PAGE_ITEMS or size >= PAGE_SIZE:
            yield page
            size = 0
            block = _block(columns, entity, sheet)
            page = Page([], sha256=file.sha256, block=block)
    yield page


def _below(
    heading: Heading, rows: Iterator[Cells], entity: Entity, file: DeliveredFile
) -> tuple[list[str], Iterator[Cells]]:
    """The columns, and the rows that follow the heading."""
    declared = entity.format.header_row
    farthest = _FARTHEST_HEADING if declared == "find" else declared
    skipped: list[Cells] = []
    for number, cells in rows:
        skipped.append((number, cells))
        is_it = heading.is_one(cells) if declared == "find" else number >= farthest
        if is_it:
            return heading.columns(number, cells), rows
        if number >= farthest:
            break
    if not skipped:
        raise file.refused("empty_file", "it has no rows")
    # None fits: what the one that comes nearest lacks is what has to be told.
    nearest = max(range(len(skipped)), key=lambda index: heading.likeness(skipped[index][1]))
    return heading.columns(*skipped[nearest]), chain(skipped[nearest + 1 :], rows)


def _block(columns: list[str], entity: Entity, sheet: str | None) -> Rows:
    separator = entity.format.separator
    return Rows(
        columns,
        separator if len(separator) == 1 else ";",
        {} if sheet is None else {"sheet": sheet},
        is_sheet=sheet is not None,
    )


def _is_footer(cells: list[Any], footers: list[re.Pattern[str]]) -> bool:
    first = next((cell_text(cell).strip() for cell in cells if cell not in (None, "")), "")
    return any(pattern.match(first) for pattern in footers)
