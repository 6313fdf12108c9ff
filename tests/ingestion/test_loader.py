"""The loader's promises: exactly once, versions, tombstones, and every row accounted for."""

from __future__ import annotations

import csv
import json
import random
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ingestion import ledger
from ingestion.clients.base import PAGE_ITEMS
from ingestion.source import Source
from tests.ingestion.conftest import Platform

MakeSource = Callable[..., Source]


def register(
    make_source: MakeSource,
    code: str,
    endpoint: Path,
    *,
    key: str = "id",
    listing: str = "open",
    more: str = "",
) -> Source:
    return make_source(
        code,
        f"""
        kind: register
        deadline: none
        regions: [{{code: tambov, time_zone: Europe/Moscow, endpoint: "{endpoint}"}}]
        entities:
          rows:
            table: {code}
            role: case
            kind: appeal
            key: {key}
            listing: {listing}
            format: {{type: csv, separator: ";"}}
            {more or "volatile: []"}
            record:
              text: text
              received_at: {{from: date, optional: true}}
        """,
    )


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    columns = list(dict.fromkeys(name for row in rows for name in row)) or ["id", "text"]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, delimiter=";")
        writer.writeheader()
        writer.writerows(rows)


def counts(load: ledger.LoadCounts) -> tuple[int, int, int, int, int]:
    assert load.is_balanced
    return (
        load.rows_read,
        load.rows_landed,
        load.rows_unchanged,
        load.rows_quarantined,
        load.rows_tombstoned,
    )


def test_a_file_loaded_twice_lands_once(
    platform: Platform, make_source: MakeSource, tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    write(path, [{"id": n, "text": f"Яма {n}"} for n in range(3)])
    source = register(make_source, "twice", path)
    assert [counts(load) for load in platform.ingest(source)] == [(3, 3, 0, 0, 0)]
    assert [counts(load) for load in platform.ingest(source)] == [(3, 0, 3, 0, 0)]
    assert len(platform.records("twice")) == 3


def test_a_changed_record_becomes_a_second_version(
    platform: Platform, make_source: MakeSource, tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    source = register(make_source, "versions", path)
    write(path, [{"id": 1, "text": "было"}, {"id": 2, "text": "есть"}])
    platform.ingest(source)
    write(path, [{"id": 1, "text": "стало"}, {"id": 2, "text": "есть"}])
    (load,) = platform.ingest(source)
    assert counts(load) == (2, 1, 1, 0, 0)
    texts = [record["text"] for record in platform.records("versions")]
    assert texts == ["было", "есть", "стало"]


def test_rows_without_a_key_land_once_however_often_shuffled(
    platform: Platform, make_source: MakeSource, tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    source = register(make_source, "content", path, key="content")
    rows = [{"text": text} for text in ("яма", "снег", "яма", "свет", "яма")]
    write(path, rows)
    assert counts(platform.ingest(source)[0]) == (5, 5, 0, 0, 0)
    random.Random(7).shuffle(rows)
    write(path, rows)
    assert counts(platform.ingest(source)[0]) == (5, 0, 5, 0, 0)
    write(path, [*rows, {"text": "яма"}])
    assert counts(platform.ingest(source)[0]) == (6, 1, 5, 0, 0)


def test_a_record_that_leaves_a_complete_listing_gets_a_tombstone_and_may_come_back(
    platform: Platform, make_source: MakeSource, tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    source = register(make_source, "vanish", path, listing="complete")
    both = [{"id": 1, "text": "a"}, {"id": 2, "text": "b"}]
    write(path, both)
    platform.ingest(source)
    write(path, both[:1])
    assert counts(platform.ingest(source)[0]) == (1, 0, 1, 0, 1)
    assert counts(platform.ingest(source)[0]) == (1, 0, 1, 0, 0)
    state = platform.rows("select native_id, is_deleted from raw.vanish order by raw_id")
    assert state == [("1", False), ("2", False), ("2", True)]
    tombstone = platform.rows("select record ->> 'text' from raw.vanish where is_deleted")
    assert tombstone == [("b",)]
    write(path, both)
    assert counts(platform.ingest(source)[0]) == (2, 1, 1, 0, 0)


def test_an_open_listing_says_nothing_about_what_it_leaves_out(
    platform: Platform, make_source: MakeSource, tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    source = register(make_source, "partial", path)
    write(path, [{"id": 1, "text": "a"}, {"id": 2, "text": "b"}])
    platform.ingest(source)
    write(path, [{"id": 1, "text": "a"}])
    assert counts(platform.ingest(source)[0])[4] == 0


def test_a_quarantined_record_of_a_complete_listing_has_not_vanished(
    platform: Platform, make_source: MakeSource, tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    source = register(make_source, "present", path, listing="complete")
    rows = [{"id": n, "text": "a", "date": "2026-01-01"} for n in (1, 2, 3)]
    write(path, rows)
    platform.ingest(source)
    rows[1]["date"] = "3020-01-01"
    write(path, rows[:2])
    assert counts(platform.ingest(source)[0]) == (2, 0, 1, 1, 1)
    assert platform.rows("select native_id from raw.present where is_deleted") == [("3",)]


def test_a_listing_with_a_record_that_nobody_can_name_makes_no_tombstones(
    platform: Platform, make_source: MakeSource, tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    source = register(make_source, "nameless", path, listing="complete")
    write(path, [{"id": 1, "text": "a"}, {"id": 2, "text": "b"}])
    platform.ingest(source)
    write(path, [{"id": 1, "text": "a"}, {"id": "", "text": "b"}])
    assert counts(platform.ingest(source)[0]) == (2, 0, 1, 1, 0)


def test_of_equal_keys_in_one_file_the_last_wins_and_the_other_is_kept(
    platform: Platform, make_source: MakeSource, tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    source = register(make_source, "repeats", path)
    write(
        path,
        [
            {"id": 1, "text": "старое"},
            {"id": 2, "text": "b"},
            {"id": 1, "text": "новое"},
            {"id": 2, "text": "b"},
        ],
    )
    assert counts(platform.ingest(source)[0]) == (4, 2, 1, 1, 0)
    assert {record["text"] for record in platform.records("repeats")} == {"b", "новое"}
    assert platform.quarantine("repeats") == [("repeated_key", "1", "open")]
    assert counts(platform.ingest(source)[0]) == (4, 0, 3, 1, 0)
    assert len(platform.quarantine("repeats")) == 1


def test_a_folder_is_loaded_file_by_file_in_the_order_of_names(
    platform: Platform, make_source: MakeSource, tmp_path: Path
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    write(folder / "b.csv", [{"id": 1, "text": "второе"}])
    write(folder / "a.csv", [{"id": 1, "text": "первое"}])
    source = register(make_source, "folder", folder, more='files: "*.csv"')
    loads = platform.ingest(source)
    assert [load.file_name for load in loads] == ["a.csv", "b.csv"]
    assert [record["text"] for record in platform.records("folder")] == ["первое", "второе"]


POLLS = """
kind: open311
deadline: source
file_time: {pattern: '(?P<time>\\d{4}-\\d{2}-\\d{2}T\\d{2})', format: '%Y-%m-%dT%H'}
regions: [{code: lewisham, time_zone: Europe/London, endpoint: "FOLDER"}]
entities:
  requests:
    table: TABLE
    role: case
    kind: request
    key: id
    listing: complete
    record: {text: text, source_due_at: due}
"""


def poll(folder: Path, name: str, **records: str) -> None:
    items = [{"id": key, "text": text} for key, text in records.items()]
    (folder / f"{name}.json").write_text(json.dumps({"service_requests": items}))


def test_polls_loaded_again_from_the_first_one_change_nothing(
    platform: Platform, make_source: MakeSource, tmp_path: Path
) -> None:
    poll(tmp_path, "2026-01-01T01", a="1", b="1")
    poll(tmp_path, "2026-01-01T02", a="2")
    poll(tmp_path, "2026-01-01T03", a="2", c="1")
    text = POLLS.replace("FOLDER", str(tmp_path)).replace("TABLE", "polls")
    source = make_source("polls", text)
    query = "select native_id, is_deleted, record, observed_at from raw.polls order by raw_id"
    platform.ingest(source)
    once = platform.rows(query)
    assert [row[:2] for row in once] == [
        ("a", False),
        ("b", False),
        ("a", False),
        ("b", True),
        ("c", False),
    ]
    again = platform.ingest(source)
    assert platform.rows(query) == once
    assert {counts(load)[1:] for load in again} == {(0, 2, 0, 0), (0, 1, 0, 0)}


def test_a_poll_that_arrives_late_adds_what_was_unseen_and_moves_nothing_back(
    platform: Platform, make_source: MakeSource, tmp_path: Path
) -> None:
    text = POLLS.replace("FOLDER", str(tmp_path)).replace("TABLE", "late")
    source = make_source("late", text)
    poll(tmp_path, "2026-01-01T03", a="new")
    platform.ingest(source)
    poll(tmp_path, "2026-01-01T02", a="old", b="gone")
    platform.ingest(source)
    state = platform.rows(
        "select native_id, record ->> 'text', is_deleted from raw.late order by raw_id"
    )
    assert state == [("a", "new", False), ("b", "gone", False), ("b", "gone", True)]
    assert platform.quarantine("late") == [("older_than_known", "a", "open")]


def test_two_runs_at_once_follow_each_other_and_land_once(
    platform: Platform, make_source: MakeSource, tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    write(path, [{"id": n, "text": f"Яма {n}"} for n in range(500)])
    source = register(make_source, "parallel", path)
    from ingestion.loader import prepare_sources

    prepare_sources(platform.url, [source])
    landed: list[int] = []

    def run() -> None:
        landed.append(platform.ingest(source)[0].rows_landed)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert sorted(landed) == [0, 0, 500]


def test_a_run_waits_for_the_one_that_holds_the_lock(platform: Platform) -> None:
    with (
        psycopg.connect(platform.url, autocommit=True) as first,
        psycopg.connect(platform.url, autocommit=True) as second,
    ):
        ledger.lock(first, "s", "e", "r")
        second.execute("set lock_timeout = '50ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            ledger.lock(second, "s", "e", "r")
        ledger.lock(second, "s", "e", "other")
        ledger.unlock(first, "s", "e", "r")
        ledger.lock(second, "s", "e", "r")


def test_a_dead_attempt_is_called_interrupted_by_the_next_run(
    platform: Platform, make_source: MakeSource, tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    write(path, [{"id": 1, "text": "a"}])
    source = register(make_source, "dead", path)
    with psycopg.connect(platform.url, autocommit=True) as connection:
        ledger.start(
            connection,
            run_id="killed",
            source_code="dead",
            entity="rows",
            region_code="tambov",
            window=None,
            file_name=None,
            file_sha256=None,
        )
    platform.ingest(source)
    outcomes = platform.rows(
        "select run_id, outcome from ops.loads where source_code = 'dead' order by load_id"
    )
    assert outcomes == [("killed", "interrupted"), ("test", "success")]


def test_a_failure_of_the_database_leaves_an_attempt_and_nothing_else(
    platform: Platform, make_source: MakeSource, tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    write(path, [{"id": 1, "text": "a", "date": "2026-01-01"}])
    source = register(make_source, "broken", path)
    platform.ingest(source)
    with psycopg.connect(platform.warehouse.url("owner"), autocommit=True) as owner:
        owner.execute(
            "alter table raw.broken add constraint none check (record_key is null) not valid"
        )
    write(path, [{"id": 2, "text": "Секретный текст", "date": "2026-01-01"}])
    with pytest.raises(psycopg.errors.CheckViolation):
        platform.ingest(source)
    (attempt,) = platform.rows(
        "select outcome, error_message from ops.loads where source_code = 'broken'"
        " order by load_id desc limit 1"
    )
    assert attempt[0] == "failed"
    assert "Секретный" not in attempt[1]
    assert len(platform.records("broken")) == 1


def test_the_progress_of_a_load_is_told_page_by_page(
    platform: Platform, make_source: MakeSource, tmp_path: Path
) -> None:
    from ingestion.ingest import ingest

    path = tmp_path / "a.csv"
    write(path, [{"id": n, "text": "a"} for n in range(4500)])
    source = register(make_source, "progress", path)
    platform.ingest(source)
    told: list[tuple[str, int]] = []
    ingest(
        source,
        database_url=platform.url,
        vault_key=platform.vault_key,
        run_id="test",
        progress=lambda what, rows: told.append((what, rows)),
    )
    assert [rows for _, rows in told] == [*range(PAGE_ITEMS, 4500, PAGE_ITEMS), 4500]
    assert {what for what, _ in told} == {"progress rows tambov a.csv"}


def test_a_source_that_is_not_enabled_says_what_it_needs(
    platform: Platform, make_source: MakeSource
) -> None:
    from ingestion.errors import IngestionError
    from ingestion.ingest import ingest

    source = register(make_source, "switched_off", Path("${TSUR_DATA}/a.csv"))
    with pytest.raises(IngestionError, match="TSUR_DATA"):
        ingest(source, database_url=platform.url, vault_key=platform.vault_key, run_id="x")


def test_an_attribute_of_xml_is_a_field_like_any_other(
    platform: Platform, make_source: MakeSource, tmp_path: Path
) -> None:
    path = tmp_path / "a.xml"
    path.write_text(
        '<r><row Номер="Н-1" Подписал="Секретов Сергей"><Текст>Яма</Текст></row></r>',
        encoding="utf-8",
    )
    source = make_source(
        "attributes",
        f"""
        kind: register
        deadline: none
        regions: [{{code: pskov, time_zone: Europe/Moscow, endpoint: {path}}}]
        entities:
          rows:
            table: attributes
            role: case
            kind: appeal
            key: Номер
            format: {{type: xml, records: row}}
            identity: {{Подписал: person}}
            record: {{text: Текст, applicant_key: Подписал}}
        """,
    )
    assert counts(platform.ingest(source)[0])[:2] == (1, 1)
    (record,) = platform.records("attributes")
    assert (record["native_id"], record["text"]) == ("Н-1", "Яма")
    assert record["applicant_key"].startswith("p_")
    assert "Секретов" not in platform.stored_text("attributes")
