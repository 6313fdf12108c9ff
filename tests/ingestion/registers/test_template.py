"""A template can be filled in without asking anybody, and nothing of it is ever loaded."""

from __future__ import annotations

import io
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook, load_workbook
from openpyxl.utils import get_column_letter, range_boundaries

from ingestion.errors import UnknownRegionError
from ingestion.registers import contract
from ingestion.registers.columns import NotARegisterError, columns_of, register_entity
from ingestion.registers.template import write_template
from ingestion.source import SOURCES_FOLDER, Source, load_sources
from tests.ingestion.registers.conftest import HEADINGS, NOW, bytes_of, check

SOURCES = load_sources(SOURCES_FOLDER, {})
REGISTERS = [
    source
    for source in SOURCES.values()
    if any(entity.template is not None for entity in source.entities.values())
]
TODAY = NOW.date()
NAMES = "data_sources.csv"


def template(source: Source, region: str | None = "tambov", day: date = TODAY) -> Workbook:
    return load_workbook(io.BytesIO(write_template(source, region, day)))


def options(book: Workbook, heading: str) -> list[Any]:
    """What the drop-down of a column offers, followed to the cells that it points at."""
    data, lists = book.worksheets[0], book["Справочники"]
    letter = next(get_column_letter(cell.column) for cell in data[1] if cell.value == heading)
    rule = next(
        one
        for one in data.data_validations.dataValidation
        if str(one.sqref).startswith(f"{letter}2:")
    )
    if rule.type != "list":
        return []
    sheet, _, cells = str(rule.formula1).partition("!")
    assert sheet == "Справочники"
    left, top, right, bottom = range_boundaries(cells.replace("$", ""))
    assert left == right
    return [lists.cell(row, left).value for row in range(top, bottom + 1)]


def test_the_issue_s_registers_are_all_there() -> None:
    assert {source.code for source in REGISTERS} >= {
        "votes",
        "surveys",
        "duty_rosters",
        "checked_replies",
        "bodies",
        "populations",
        "official_pages",
        "projects",
        "project_risks",
        "project_stages",
        "indicators",
        "measures",
        "orders",
        "media_plans",
        "information_requests",
        "corrections",
        "risk_decisions",
    }


@pytest.mark.parametrize("source", REGISTERS, ids=lambda source: source.code)
def test_a_template_holds_headings_explanations_and_locked_lists_and_no_data(
    source: Source,
) -> None:
    book = template(source)
    data, notes, lists = book.worksheets
    columns = columns_of(register_entity(source), ["tambov"], TODAY)
    assert [cell.value for cell in data[1]] == [column.heading for column in columns]
    assert data.max_row == 1
    assert data.freeze_panes in ("A2", "B2")
    assert lists.sheet_state == "hidden"
    assert lists.protection.sheet
    explained = [row[0].value for row in notes.iter_rows()]
    assert set(explained) >= {column.heading for column in columns}
    # What Excel refuses to open: a longer prompt or title.
    for rule in data.data_validations.dataValidation:
        assert len(rule.prompt) <= 255
        assert len(rule.promptTitle) <= 32
        assert len(rule.error) <= 225


@pytest.mark.parametrize("region", ["jewish_ao"])
@pytest.mark.parametrize("source", REGISTERS, ids=lambda source: source.code)
def test_the_example_of_every_column_makes_a_row_that_passes(source: Source, region: str) -> None:
    """An example is read off «Пояснения», as people read it, and typed in."""
    book = template(source, region)
    data, notes = book.worksheets[:2]
    examples = {row[0].value: row[4].value for row in notes.iter_rows() if len(row) > 4}
    data.append([examples[cell.value] for cell in data[1]])
    found = check(source, bytes_of(book))
    assert found.problems == []
    assert (found.rows, found.region) == (1, region)


def test_lists_hold_the_reference_of_the_region_only(small: Source) -> None:
    tambov = options(template(small, "tambov"), "Исполнитель")
    pskov = options(template(small, "pskov"), "Исполнитель")
    assert "Министерство здравоохранения Тамбовской области" in tambov
    assert set(tambov).isdisjoint(pskov)
    assert options(template(small, None), "Исполнитель") == tambov + pskov
    # The eight sector blocks; short names are accepted, but not offered.
    assert len(options(template(small), "Блок")) == 8
    assert options(template(small), "Состояние") == ["Запланирована", "Выполнена"]


def test_corrections_are_of_every_source_that_delivers_cases_for_the_region() -> None:
    cases = {
        source.code: source
        for source in SOURCES.values()
        if any(entity.role == "case" for entity in source.entities.values())
        and any(region.code == "tambov" for region in source.regions)
    }
    assert {"edms_59fz", "incident_management", "vk_search", "local_media"} <= set(cases)
    book = template(SOURCES["corrections"])
    offered = options(book, "Источник")
    named = {row["source_code"]: row["source_name"] for row in contract.seed_rows(NAMES)}
    assert offered == [named.get(code, source.description.ru) for code, source in cases.items()]
    # What is no source of the region is refused; a code says the same as a name.
    assert named["kursk_messages"] not in offered
    row = ("edms_59fz", "1", "Конфликт", "да", "Прочитано", "Пример П. П.", "05.10.2026", None)
    book["Данные"].append(row)
    book["Данные"].append((named["kursk_messages"], *row[1:]))
    found = check(SOURCES["corrections"], bytes_of(book))
    assert [(one.row, one.column) for one in found.problems] == [(3, "Источник")]


def needs(source: Source) -> dict[Any, Any]:
    """What «Пояснения» says of each column: may it be empty, may it repeat."""
    rows = template(source)["Пояснения"].iter_rows(values_only=True)
    return {row[0]: row[2] for row in rows if len(row) > 2}


def test_of_a_key_of_several_columns_only_the_combination_does_not_repeat(small: Source) -> None:
    assert needs(small)["№ меры"] == "да, не повторяется"
    told = needs(SOURCES["surveys"])
    assert told["№ опроса"] == "да, не повторяется вместе с «№ вопроса», «№ ответа»"
    # Also where a rule reads the column.
    assert needs(SOURCES["project_risks"])["Код проекта"] == "да, не повторяется вместе с «№ риска»"
    assert needs(SOURCES["official_pages"])["Адрес страницы"] == "да, не повторяется"


def test_lists_hold_what_is_valid_on_the_day(
    small: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bodies.csv").write_text(
        "region_code,body_name,aliases,valid_from,valid_to\n"
        "tambov,Прежний орган,,2018-01-01,2025-01-01\n"
        "tambov,Новый орган,,2025-01-01,\n",
        encoding="utf-8",
    )
    (tmp_path / "blocks.csv").write_text(
        "block_name,aliases,is_sector\nДороги,,true\n", encoding="utf-8"
    )
    (tmp_path / "regions.csv").write_text("region_code,region_name,act\n", encoding="utf-8")
    monkeypatch.setattr(contract, "SEEDS_FOLDER", tmp_path)
    contract.seed_rows.cache_clear()
    try:
        before = options(template(small, day=date(2024, 12, 31)), "Исполнитель")
        after = options(template(small, day=date(2025, 1, 1)), "Исполнитель")
    finally:
        contract.seed_rows.cache_clear()
    assert (before, after) == (["Прежний орган"], ["Новый орган"])


def test_the_clause_of_the_region_s_act_is_told_and_its_absence_too(small: Source) -> None:
    def notes(region: str) -> str:
        cells = template(small, region)["Пояснения"]["A"]
        return "\n".join(str(cell.value) for cell in cells)

    act = "Распоряжение администрации Тамбовской области от 22.10.2020 № 747-р"
    assert f"Тамбовская область: {act}, 3.1.6" in notes("tambov")
    assert "Псковская область: вне положения" in notes("pskov")


def test_an_untouched_template_is_no_register(small: Source) -> None:
    found = check(small, write_template(small, "tambov", TODAY))
    assert [problem.code for problem in found.problems] == ["no_rows"]


def test_no_cell_of_a_template_is_a_formula(small: Source) -> None:
    text = "=HYPERLINK(1)"
    entity = small.entities["rows"]
    rules = {
        name: rule.model_copy(update={"explanation": text, "example": text})
        for name, rule in entity.record.items()
    }
    hostile = small.model_copy(
        update={"entities": {"rows": entity.model_copy(update={"record": rules})}}
    )
    cells = [cell for sheet in template(hostile) for row in sheet.iter_rows() for cell in row]
    assert any(cell.value == text for cell in cells)
    assert {cell.data_type for cell in cells if cell.value == text} == {"s"}


def test_a_source_that_nobody_keeps_has_no_template(small: Source) -> None:
    with pytest.raises(NotARegisterError, match="не ведут вручную"):
        write_template(SOURCES["pos"], "tambov", TODAY)
    with pytest.raises(UnknownRegionError, match="no region 'omsk'"):
        write_template(small, "omsk", TODAY)


def test_the_columns_come_in_the_order_of_the_declaration_after_the_key(small: Source) -> None:
    assert tuple(cell.value for cell in template(small).worksheets[0][1]) == HEADINGS
