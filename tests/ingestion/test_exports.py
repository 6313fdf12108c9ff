"""The shipped declarations of exports that people bring: each layout lands, nobody's name does.

The files are those of `tsur sandbox files`.
"""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

import pytest

from ingestion.mapping import canonical_json
from ingestion.sandbox.exports import (
    EDMS_COLUMNS,
    LAYOUTS,
    Export,
    edms_rows,
    edms_workbook,
    found_rows,
    incident_workbook,
    incidents,
    write_exports,
)
from ingestion.sandbox.regions import REGIONS
from ingestion.sandbox.workbook import Cell, write_xlsx
from ingestion.sandbox.world import World
from ingestion.source import SOURCES_FOLDER, Source, load_source
from tests.ingestion.clients.loopback import small_world
from tests.ingestion.conftest import Platform

REGION = "chelyabinsk"


def shipped(code: str, **environment: str) -> Source:
    return load_source(SOURCES_FOLDER / f"{code}.yml", environment)


def kept(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.fixture(scope="module")
def world() -> World:
    return small_world()


@pytest.fixture(scope="module")
def exports(world: World, tmp_path_factory: pytest.TempPathFactory) -> list[Export]:
    return write_exports(world, tmp_path_factory.mktemp("exports"))


@pytest.fixture(scope="module")
def environment(exports: list[Export]) -> dict[str, str]:
    return {one.variable: str(one.folder) for one in exports}


def test_every_export_loads_whole_from_the_folder_that_its_variable_names(
    platform: Platform, exports: list[Export], environment: dict[str, str]
) -> None:
    for code in ("incident_management", "edms_59fz", "vk_exports"):
        source = shipped(code, **environment)
        loads = platform.ingest(source, run_id="all exports")
        assert {(load.outcome, load.rows_quarantined) for load in loads} == {("success", 0)}
        written = [one for one in exports if one.folder.name == code]
        assert sum(load.rows_landed for load in loads) == sum(one.records for one in written)
        assert len(loads) == len(written)
        again = platform.ingest(source, run_id="all exports")
        assert sum(load.rows_landed for load in again) == 0


def test_the_page_of_each_shows_how_to_make_the_files_and_both_ways_to_load_them(
    exports: list[Export],
) -> None:
    for source, variable in {(one.folder.name, one.variable) for one in exports}:
        page = (SOURCES_FOLDER.parents[1] / "docs" / "sources" / f"{source}.md").read_text()
        assert "./tsur sandbox files --output ~/exports" in page
        assert f"{variable}=~/exports/{source} ./tsur ingest {source}" in page
        assert re.search(rf"preview {source} (--region tambov )?--file ~/exports/{source}", page)


def test_the_same_world_writes_the_same_bytes(
    world: World, exports: list[Export], tmp_path: Path
) -> None:
    before = {one.path.relative_to(one.folder.parent): one.path for one in exports}
    again = write_exports(world, tmp_path, [REGION])
    assert {one.folder.name for one in again} == {one.folder.name for one in exports}
    for one in again:
        twin = before[one.path.relative_to(one.folder.parent)]
        assert one.path.read_bytes() == twin.read_bytes()


@pytest.mark.parametrize("layout", list(LAYOUTS))
def test_each_layout_of_incident_management_is_told_by_its_heading(
    platform: Platform, world: World, tmp_path: Path, layout: str
) -> None:
    rows = incidents(world, REGION)
    path = kept(tmp_path / f"{layout}.xlsx", incident_workbook(layout, rows))
    source = shipped("incident_management")
    moved = source.model_copy(update={"code": f"incidents_{layout}"})
    (load,) = platform.ingest(moved, region=REGION, files=path, run_id=layout)
    assert (load.rows_landed, load.rows_quarantined) == (len(rows), 0)
    ((found,),) = platform.rows(
        "select found ->> 'layout' from ops.loads where run_id = %s", layout
    )
    assert found == layout
    landed = {
        record["native_id"]: record
        for (record,) in platform.rows(
            "select record from raw.incident_management where source_code = %s", moved.code
        )
    }
    names = set(LAYOUTS[layout])
    assert any(row["1ый ответ ПИ"] for row in rows)
    for row in rows:
        record = landed[str(row["Номер инцидента"])]
        at = datetime.strptime(str(row["Дата создания"]), "%d.%m.%Y %H:%M:%S")
        zone = REGIONS[REGION].zone
        assert datetime.fromisoformat(record["received_at"]) == at.replace(tzinfo=zone)
        assert record["text"] == str(row["Текст инцидента"]).strip()
        place = f"{row['Населённый пункт']}, {row['Улица']}, {row['Дом']}"
        assert record.get("address") == (place if "Улица" in names else None)
        reply = row["1ый ответ ПИ"] if "1ый ответ ПИ" in names else ""
        assert record.get("reply_text", "") == reply
        is_done = "Текущий шаг инцидента" in names and row["Текущий шаг инцидента"] == "Готово"
        assert record.get("is_closed", False) is is_done


def test_a_table_that_is_no_incident_export_is_kept_whole(
    platform: Platform, tmp_path: Path
) -> None:
    path = kept(tmp_path / "b.xlsx", write_xlsx("Лист", ["Номер", "Текст"], [["1", "Яма"]]))
    (load,) = platform.ingest(shipped("incident_management"), region="samara", files=path)
    assert (load.error_class, load.rows_quarantined) == ("missing_column", 1)
    assert "no declared layout fits (full: " in str(load.error_message)


def test_an_export_without_its_heading_names_nobody(platform: Platform, tmp_path: Path) -> None:
    path = tmp_path / "headless.csv"
    path.write_text("Секретный Иван Петрович;8 916 555-44-33;Тайна\n" * 2, encoding="utf-8")
    for code, region in (("incident_management", "tambov"), ("edms_59fz", "tambov")):
        (load,) = platform.ingest(shipped(code), region=region, files=path)
        assert load.error_class == "missing_column"
        assert "the file may have no heading" in str(load.error_message)
        assert "Секретный" not in platform.stored_text(code)


def test_the_register_of_an_edms_lands_with_its_titles_pages_and_empty_numbers(
    platform: Platform, world: World, tmp_path: Path
) -> None:
    rows = edms_rows(world, REGION)
    number, done, rubric, joined = (
        EDMS_COLUMNS.index(name) for name in ("№ РК", "Факт (РК)", "Рубрика", "Сообщение ПОС №")
    )
    assert any(not row[number] for row in rows)
    source = shipped("edms_59fz").model_copy(update={"code": "edms_printed"})
    path = kept(tmp_path / "edms.xlsx", edms_workbook(rows))
    (load,) = platform.ingest(source, region=REGION, files=path)
    assert (load.rows_read, load.rows_landed, load.rows_quarantined) == (len(rows), len(rows), 0)
    ours = "select record from raw.edms_59fz where source_code = 'edms_printed' order by raw_id"
    records = [record for (record,) in platform.rows(ours)]
    assert all(r["source_due_at"].endswith("T23:59:59+05:00") and r["is_59fz"] for r in records)

    def told(*names: str) -> list[bytes]:
        return sorted(canonical_json([record.get(name) for name in names]) for record in records)

    assert told("topic", "external_number", "is_closed") == sorted(
        canonical_json([row[rubric], row[joined] or None, bool(row[done])]) for row in rows
    )
    # They are numbers of the feedback platform: that is what the two are joined by.
    appeals = {case.native_id for case in world.of(REGION, "pos") if case.is_59fz}
    assert {r["external_number"] for r in records if r.get("external_number")} <= appeals

    stored = platform.stored_text("edms_59fz")
    people = [row[EDMS_COLUMNS.index(name)] for row in rows for name in ("Кому", "Корр./Подписал")]
    assert not [person for person in people if str(person) in stored]
    # The next print has its pages elsewhere and another answer: one version, nothing doubled.
    answered: list[list[Cell]] = [list(row) for row in reversed(rows)]
    next(row for row in answered if row[number])[done] = "20.11.2026"
    path = kept(tmp_path / "next.xlsx", edms_workbook(answered))
    (load,) = platform.ingest(source, region=REGION, files=path)
    assert (load.rows_landed, load.rows_unchanged) == (1, len(rows) - 1)


def test_a_saved_search_lands_without_its_authors(
    platform: Platform, world: World, exports: list[Export]
) -> None:
    (path,) = (e.path for e in exports if e.path.name == f"search_{REGION}.csv")
    source = shipped("vk_exports", TSUR_VK_EXPORTS=str(path))
    platform.ingest(source)
    records = {record["native_id"]: record for record in platform.records("vk_exports")}
    rows = list(found_rows(world, REGION))
    assert {str(row[0]) for row in rows} <= set(records)
    # The page does not write the current year, and nobody said when the search was saved.
    yearless = {str(row[0]) for row in rows if " в " in str(row[4])}
    assert yearless
    for row in rows:
        is_open = records[str(row[0])].get("incomplete_dates") == ["received_at"]
        assert is_open is (str(row[0]) in yearless)
    stored = platform.stored_text("vk_exports")
    people = [row for row in rows if "/id" in str(row[3])]
    assert people
    for row in people:
        assert str(row[3]).rpartition("/id")[2] not in stored
        assert str(row[2]) not in stored
