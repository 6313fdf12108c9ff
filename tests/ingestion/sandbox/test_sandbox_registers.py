"""Registers of the sandbox are such as a careful region would send: they pass the check."""

from __future__ import annotations

import io
from collections import Counter
from datetime import date, datetime, timedelta

import pytest
from fastapi.testclient import TestClient
from openpyxl import load_workbook

from ingestion.registers.check import check_register
from ingestion.sandbox import registers
from ingestion.sandbox.regions import REGIONS
from ingestion.sandbox.world import World, build_world
from ingestion.source import SOURCES_FOLDER, Source, load_sources

SOURCES = load_sources(SOURCES_FOLDER, {})
KEPT = [
    source
    for source in SOURCES.values()
    if any(entity.template is not None for entity in source.entities.values())
]


@pytest.mark.parametrize("source", KEPT, ids=lambda source: source.code)
def test_every_register_that_is_served_passes_its_check(
    client: TestClient, as_of: datetime, source: Source
) -> None:
    for region in REGIONS:
        path = source.region(region).endpoint.partition("}")[2]
        answer = client.get(path)
        assert answer.status_code == 200, path
        found = check_register(source, answer.content, region=region, observed_at=as_of)
        assert found.problems == [], (region, [one.sentence for one in found.problems])
        assert found.rows > 0


@pytest.mark.parametrize(
    ("code", "later"),
    [
        ("votes", {"Тема обращений", "Место", "Исполнитель", "Срок исполнения"}),
        ("orders", {"Тема обращений", "Место"}),
    ],
)
def test_a_delivery_without_the_columns_that_came_later_passes_its_check(
    client: TestClient, as_of: datetime, code: str, later: set[str]
) -> None:
    source = SOURCES[code]
    book = load_workbook(io.BytesIO(client.get(f"/registers/pskov/{code}.xlsx").content))
    data = book["Данные"]
    headings = [cell.value for cell in data[1]]
    assert later <= {*headings}
    for place in sorted((headings.index(heading) for heading in later), reverse=True):
        data.delete_cols(place + 1)
    stored = io.BytesIO()
    book.save(stored)
    found = check_register(source, stored.getvalue(), region="pskov", observed_at=as_of)
    assert found.problems == []
    assert found.rows > 0


def test_the_registers_of_the_full_sandbox_are_those_that_the_demo_does_not_read() -> None:
    full = {source.code for source in KEPT if "TSUR_FULL_SANDBOX_URL" in source.missing_variables}
    assert full == set(registers.TABLES)
    assert {source.code for source in KEPT} - full == {
        "duty_rosters",
        "checked_replies",
        "populations",
    }


@pytest.mark.parametrize("name", registers.TABLES)
def test_a_later_day_adds_rows_and_moves_states_on(
    world: World, later_world: World, name: str
) -> None:
    columns, rows = registers.TABLES[name]
    source = SOURCES[name]
    key = [columns.index(heading) for heading in source.entities["rows"].key]

    def keyed(one: World) -> dict[tuple[object, ...], list[object]]:
        return {tuple(row[place] for place in key): row for row in rows(one, "samara")}

    before, after = keyed(world), keyed(later_world)
    # The window of 24 months moves as well: what began before it is no longer told.
    first = world.first_day["samara"]
    kept = {item for item in before if f"{first:%Y-%m}" not in str(item)}
    assert len(kept) > len(before) * 0.8
    assert kept <= set(after)


def test_a_decision_about_a_risk_names_the_first_day_on_which_five_wrote(
    as_of: datetime,
) -> None:
    world = build_world(seed=7, as_of=as_of, cases=12000)
    columns, rows_of = registers.TABLES["risk_decisions"]
    loud = 0
    for region in REGIONS.values():
        received = Counter(
            (
                case.topic.block_code,
                case.address.place.code,
                case.received_at.astimezone(region.zone).date(),
            )
            for case in world.of(region.code, "pos")
            if case.topic is not None
        )
        for row in rows_of(world, region.code):
            _, block, place, _, day = str(row[columns.index("Ключ сигнала")]).split("/")
            named = date.fromisoformat(day)
            before = [named - timedelta(days=number) for number in range(1, 8)]
            assert max(received[block, place, one] for one in before) < 5
            loud += received[block, place, named] >= 5
    assert loud


def test_the_same_world_gives_the_same_bytes(client: TestClient) -> None:
    first, second = (client.get("/registers/pskov/measures.xlsx").content for _ in range(2))
    assert first == second
    assert load_workbook(io.BytesIO(first)).sheetnames == ["Данные"]
