"""A small register with every kind of rule, and hands that fill in its template."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from openpyxl import Workbook, load_workbook

from ingestion.registers.check import Checked, check_register
from ingestion.registers.template import write_template
from ingestion.source import Source

NOW = datetime(2026, 11, 21, 6, tzinfo=UTC)

SMALL = """
kind: register
deadline: none
regions:
  - {code: tambov, time_zone: Europe/Moscow, endpoint: "${TSUR_NOWHERE}/tambov.xlsx"}
  - {code: pskov, time_zone: Europe/Moscow, endpoint: "${TSUR_NOWHERE}/pskov.xlsx"}
entities:
  rows:
    table: small
    role: measure
    key: [№ меры]
    listing: complete
    format: {type: xlsx, sheet: Данные}
    formats: ["%d.%m.%Y", iso]
    contract: {columns: freeze}
    identity: {Ответственный: staff}
    template:
      title: Проверочный реестр мер
      purpose: По нему проверяют шаблон и проверку
      clauses: {tambov: "3.1.6"}
      columns:
        № меры: {explanation: Номер меры, example: М-1}
    record:
      title: {from: Мера, explanation: Что сделать, required: true, example: Убрать снег}
      block:
        from: Блок
        explanation: Отраслевой блок
        required: true
        choices:
          - {seed: blocks.csv, column: block_name, aliases: aliases, where: {is_sector: "true"}}
      body:
        from: Исполнитель
        explanation: Кто исполняет
        choices: {seed: bodies.csv, column: body_name, aliases: aliases}
      responsible_key: {from: Ответственный, explanation: Кто отвечает, example: Пример П. П.}
      planned_start_on: {from: Начало, explanation: Когда начать, example: 2026-06-01}
      due_on:
        from: Срок
        explanation: Когда закончить
        required: true
        not_before: planned_start_on
        minimum: 2020-01-01
        example: 2026-09-15
      state:
        from: Состояние
        explanation: Что с мерой сейчас
        required: true
        values: {Запланирована: planned, Выполнена: done}
      completed_on:
        from: Выполнена
        explanation: Когда закончили
        required_when: {state: [done]}
        example: 2026-09-10
"""

HEADINGS = (
    "№ меры",
    "Мера",
    "Блок",
    "Исполнитель",
    "Ответственный",
    "Начало",
    "Срок",
    "Состояние",
    "Выполнена",
)
GOOD = (
    "М-1",
    "Убрать снег",
    "Дороги",
    "Министерство здравоохранения Тамбовской области",
    "Снегирёва Анна Петровна",
    datetime(2026, 6, 1),
    "15.09.2026",
    "Запланирована",
    None,
)


def changed(**cells: Any) -> list[Any]:
    """The good row with other cells: `changed(Срок=…)`; «№ меры» is `number`."""
    row = dict(zip(HEADINGS, GOOD, strict=True))
    row |= {"№ меры" if name == "number" else name: value for name, value in cells.items()}
    return list(row.values())


@pytest.fixture
def small(make_source: Callable[..., Source]) -> Source:
    return make_source("small", SMALL)


Fill = Callable[..., bytes]


@pytest.fixture
def fill(small: Source) -> Fill:
    """The template of Tambov, filled in; `headings` in place of its own, when they are given."""

    def filled(*rows: Sequence[Any], headings: Sequence[str] | None = None) -> bytes:
        book = load_workbook(io.BytesIO(write_template(small, "tambov", NOW.date())))
        sheet = book["Данные"]
        if headings is not None:
            for number in range(1, max(len(headings), len(HEADINGS)) + 1):
                text = headings[number - 1] if number <= len(headings) else None
                sheet.cell(1, number).value = text
        for row in rows:
            sheet.append(list(row))
        return bytes_of(book)

    return filled


def bytes_of(book: Workbook) -> bytes:
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def check(source: Source, content: bytes, region: str | None = None) -> Checked:
    return check_register(source, content, region=region, observed_at=NOW)


def told(found: Checked) -> set[tuple[int, str | None, str]]:
    """(row, column, code) of every problem."""
    return {(problem.row, problem.column, problem.code) for problem in found.problems}


def marked(found: Checked) -> Workbook:
    """The workbook that goes back."""
    assert found.marked is not None
    return load_workbook(io.BytesIO(found.marked))


def repacked(content: bytes, part: str, changed_to: Callable[[bytes], bytes]) -> bytes:
    """The workbook with one of its parts made anew."""
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(packed, "w") as new:
        for name in old.namelist():
            body = old.read(name)
            new.writestr(name, changed_to(body) if name == part else body, zipfile.ZIP_DEFLATED)
    return packed.getvalue()
