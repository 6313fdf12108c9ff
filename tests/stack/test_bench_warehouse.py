"""`./tsur bench warehouse`: the cases that it makes, and what it says of their builds."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ingestion.clients.vk import facts
from ingestion.mapping import Mapper
from ingestion.source import Entity, Source, load_sources
from ingestion.vault import Vault
from stack.bench import warehouse as bench_module
from stack.bench.cases import Batch, CaseGenerator
from stack.bench.warehouse import AS_OF, FEWEST_CASES, WarehouseBench, fitting, run
from stack.database import Warehouse
from stack.postgres import PostgresServer
from stack.settings import REPOSITORY
from tests.conftest import copied

pytestmark = pytest.mark.server

CASES = 5000
CASE_TABLES = ("pos_messages", "municipal_register", "open311_requests", "vk_posts", "vk_comments")
# Every version of a case's record: what bodies write themselves is none.
_VERSIONS = " union all ".join(
    f"select record_key, load_id, (record ->> 'received_at')::timestamptz as received_at"
    f" from raw.{table} where coalesce(record ->> 'is_by_body', 'false') = 'false'"
    for table in CASE_TABLES
)
GIGABYTE = 1 << 30


@dataclass(frozen=True)
class Filled:
    """A warehouse after two batches of history and two days; `before` has the last load of each."""

    warehouse: Warehouse
    before: dict[str, int]
    batches: dict[str, Batch]

    def rows(self, statement: str, **parameters: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.warehouse.url("transformer")) as connection:
            return connection.execute(statement.encode(), parameters or None).fetchall()

    def value(self, statement: str, **parameters: Any) -> Any:
        return self.rows(statement, **parameters)[0][0]


@pytest.fixture(scope="module")
def filled(warehouse_template: Warehouse) -> Iterator[Filled]:
    with copied(warehouse_template) as warehouse:
        generator = CaseGenerator(warehouse, CASES, AS_OF)
        generator.prepare()
        done = Filled(warehouse, {}, {})
        for name, step in (
            ("history", generator.history),
            ("day", generator.day),
            ("double", generator.double),
            ("second day", generator.day),
        ):
            done.before[name] = done.value("select coalesce(max(load_id), 0) from ops.loads")
            done.batches[name] = step()
        yield done


def of_batch(filled: Filled, name: str) -> dict[str, int]:
    """The loads of a batch, as bounds of their numbers."""
    later = [number for number in filled.before.values() if number > filled.before[name]]
    return {"first": filled.before[name] + 1, "last": min(later, default=1 << 40) - (not later)}


@pytest.mark.parametrize("name", ["history", "double"])
def test_each_half_of_the_history_has_the_promised_cases_and_events(
    filled: Filled, name: str
) -> None:
    loads = of_batch(filled, name)
    between = "where load_id between %(first)s and %(last)s"

    cases = f"select count(distinct record_key) from ({_VERSIONS}) as v {between}"
    assert filled.value(cases, **loads) == CASES
    assert filled.value(f"select count(*) from raw.pos_history {between}", **loads) == 4.6 * CASES


def test_the_second_half_lies_before_the_first_with_the_same_intake(filled: Filled) -> None:
    begun = AS_OF - timedelta(days=730)
    counted = dict(
        filled.rows(
            f"select received_at >= %(begun)s, count(distinct record_key) from ({_VERSIONS}) as v"
            " where load_id not between %(first)s and %(last)s and load_id <= %(end)s"
            " group by 1",
            begun=begun - timedelta(days=1),
            **of_batch(filled, "day"),
            end=filled.before["second day"],
        )
    )
    assert abs(counted[True] - counted[False]) < 0.01 * CASES
    first = filled.value(f"select min(received_at) from ({_VERSIONS}) as v")
    assert AS_OF - timedelta(days=1462) <= first <= AS_OF - timedelta(days=1455)


@pytest.mark.parametrize("name", ["day", "second day"])
def test_a_day_brings_new_cases_and_changes_mostly_late_ones(filled: Filled, name: str) -> None:
    batch = filled.batches[name]
    found = filled.rows(
        f"""
        with versions as ({_VERSIONS}),
        brought as (
            select record_key, min(received_at) as received_at from versions
            where load_id between %(first)s and %(last)s group by record_key
        )
        select
            exists (
                select from versions as v
                where v.record_key = b.record_key and v.load_id < %(first)s
            ) as is_known,
            received_at > %(as_of)s - interval '60 days' as is_late
        from brought as b
        """,
        as_of=batch.as_of,
        **of_batch(filled, name),
    )
    assert Counter(found) == {
        (False, True): round(0.003 * CASES),
        (True, True): round(0.9 * 0.002 * CASES),
        (True, False): round(0.1 * 0.002 * CASES),
    }
    assert batch.as_of == AS_OF + timedelta(days=1 if name == "day" else 2)


def test_a_changed_record_is_another_and_a_changed_message_has_another_event(
    filled: Filled,
) -> None:
    loads = of_batch(filled, "day")
    changed = filled.rows(
        """
        select native_id, now.record <> earlier.record, exists (
            select from raw.pos_history as e
            where e.load_id between %(first)s and %(last)s
                and e.record ->> 'case_native_id' = now.native_id
        )
        from raw.pos_messages as now
        cross join lateral (
            select record from raw.pos_messages as v
            where v.record_key = now.record_key and v.load_id < now.load_id
            order by raw_id desc limit 1
        ) as earlier
        where now.load_id between %(first)s and %(last)s
        """,
        **loads,
    )
    assert len(changed) == round(0.7 * 0.002 * CASES)
    assert {(other, event) for _, other, event in changed} == {(True, True)}


def test_no_version_of_a_record_repeats_the_one_before(filled: Filled) -> None:
    for table in (*CASE_TABLES, "pos_cards"):
        repeated = filled.value(
            f"""
            select count(*) from (
                select payload_hash = lag(payload_hash) over (
                    partition by record_key order by raw_id
                ) as is_repeated from raw.{table}
            ) as v where is_repeated
            """
        )
        assert (table, repeated) == (table, 0)


def test_the_generated_rows_are_those_that_the_loader_would_write(filled: Filled) -> None:
    vault = Vault(base64.urlsafe_b64encode(b"k" * 32).decode())
    environment = {"TSUR_SANDBOX_URL": "http://x", "TSUR_POS_TOKEN": "x", "TSUR_VK_TOKEN": "x"}
    sources = load_sources(REPOSITORY / "ingestion" / "sources", environment).values()
    differing: Counter[tuple[str, str]] = Counter()
    for source, entity in [(s, e) for s in sources if s.is_enabled for e in s.entities.values()]:
        mappers = {r.code: Mapper(source, entity, r, vault) for r in source.regions}
        rows = _some_rows(filled, entity)
        assert rows, f"no rows in raw.{entity.table}"
        for row in rows:
            landed = mappers[row["region_code"]].land(
                row["payload"], _context(source, entity, row), row["observed_at"]
            )
            same = {
                "record": json.loads(landed.record) == row["record"],
                "key": landed.key == row["record_key"].bytes,
                "hash": landed.content_hash == row["payload_hash"],
                "native_id": landed.native_id == row["native_id"],
                "changed": landed.changed_at == row["source_changed_at"],
            }
            differing.update((entity.table, part) for part, is_same in same.items() if not is_same)
    assert not differing


def _some_rows(filled: Filled, entity: Entity) -> list[dict[str, Any]]:
    """The last ones, which a day has brought, and some of the rest."""
    names = (
        *("record_key", "region_code", "native_id", "payload", "record", "payload_hash"),
        *("observed_at", "source_changed_at"),
    )
    told = f"select {', '.join(names)} from raw.{entity.table}"
    rows = filled.rows(f"{told} order by raw_id desc limit 60")
    rows += filled.rows(f"{told} where raw_id % 17 = 0 limit 100")
    return [dict(zip(names, row, strict=True)) for row in rows]


def _context(source: Source, entity: Entity, row: dict[str, Any]) -> dict[str, Any]:
    """What the client of VK tells of an item by its place; accounts are pseudonyms already."""
    if source.code != "vk":
        return {}
    owner, _, _ = row["native_id"].partition("_")
    is_by_body = row["record"]["is_by_body"]
    item = {
        **row["payload"],
        "owner_id": int(owner),
        "from_id": int(owner) if is_by_body else 1,
    }
    told = facts(item, entity.name == "comments", None, None, None)
    return {**told, "author": None if is_by_body else row["payload"]["from_id"]}


def test_every_load_says_what_it_landed_and_every_text_is_enriched(filled: Filled) -> None:
    wrong = filled.value(
        """
        select count(*) from ops.loads
        left join (select load_id, count(*) as rows from raw.pos_cards group by load_id) as landed
            using (load_id)
        where source_code = 'pos' and entity = 'cards'
            and (outcome <> 'success' or rows_landed <> coalesce(rows, 0))
        """
    )
    assert wrong == 0
    texts = " union ".join(
        f"select record ->> 'text' as text from raw.{table}"
        for table in ("pos_cards", *CASE_TABLES[1:])
    )
    missing = filled.value(
        f"""
        select count(*) from ({texts}) as t
        where text is not null and not exists (
            select from nlp.enrichments inner join nlp.models using (model_version)
            where is_current and text_hash = encode(sha256(convert_to(text, 'UTF8')), 'hex')
        )
        """
    )
    assert missing == 0


def test_the_same_numbers_live_the_same_lives(filled: Filled) -> None:
    again = CaseGenerator(filled.warehouse, CASES, AS_OF)
    again._plan(0, CASES, AS_OF, 730, shift=0)
    with psycopg.connect(filled.warehouse.url("owner"), autocommit=True) as connection:
        told = connection.execute(
            """
            select count(*) from raw.pos_cards inner join bench.plan using (region_code, native_id)
            where record ->> 'text' = text and record ->> 'applicant_key' = phone
                and record ->> 'address' = address
                and load_id between %(first)s and %(last)s
                and (record ->> 'reply_text' = '-' or record ->> 'reply_text' = reply_text)
            """,
            of_batch(filled, "history"),
        ).fetchone()
        connection.execute("drop table bench.plan cascade; drop table bench.interim")
    landed = "select count(*) from raw.pos_cards where load_id between %(first)s and %(last)s"
    assert told == (filled.value(landed, **of_batch(filled, "history")),)


# --- measures ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_run_builds_the_warehouse_and_says_its_measures(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    told: list[str] = []

    measures = {one.name: one for one in run(tmp_path, ("extraction",), 200, told.append)}

    assert list(measures) == [
        "full_against_extraction",
        "peak_disk_against_raw",
        "postgres_peak_memory",
    ]
    assert all(one.value > 0 for one in measures.values())
    assert any(line.startswith("200 cases with 920 events") for line in told)
    assert any(line.startswith("full build: ") for line in told)
    assert list((tmp_path / "bench").iterdir()) == []


@pytest.fixture
def timed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> WarehouseBench:
    """A bench whose builds take what is written here."""
    seconds = {
        "full build": [200.0],
        "build in which nothing changed": [20.0, 35.0, 19.0],
        "one day later": [27.0, 28.0, 60.0],
        "full build, twice the history": [400.0],
        "one day later, twice the history": [42.0, 41.0, 90.0],
    }
    extractions = [15.0, 40.0, 16.0]
    batch = Batch(15, 60, 10, 9, AS_OF)
    monkeypatch.setattr(CaseGenerator, "day", lambda _: batch)
    monkeypatch.setattr(CaseGenerator, "double", lambda _: batch)
    monkeypatch.setattr(WarehouseBench, "_build", lambda _, title, *options: seconds[title].pop())
    monkeypatch.setattr(WarehouseBench, "_extract", lambda _: extractions.pop())
    server = PostgresServer(tmp_path, 1, "none")
    return WarehouseBench(server, tmp_path, 5000, lambda _: None)


def test_a_day_is_held_against_the_full_build_beyond_what_no_change_costs(
    timed: WarehouseBench,
) -> None:
    (measure,) = timed.build()
    assert (measure.name, measure.value) == ("one_day_against_full", 0.04)
    assert measure.holds


def test_a_day_at_twice_the_history_is_held_against_a_day_at_once(timed: WarehouseBench) -> None:
    (measure,) = timed.growth()
    assert (measure.name, measure.value) == ("one_day_at_twice_the_history", 1.5)
    assert not measure.holds


def test_parts_share_their_builds(timed: WarehouseBench) -> None:
    # A whole build may be asked for once only, the others as often as their median takes.
    names = [
        measure.name
        for part in (timed.build, timed.extraction, timed.growth, timed.resources)
        for measure in part()
    ]
    assert names[:3] == [
        "one_day_against_full",
        "full_against_extraction",
        "one_day_at_twice_the_history",
    ]


def test_a_full_build_is_held_against_the_extraction(timed: WarehouseBench) -> None:
    (measure,) = timed.extraction()
    assert (measure.value, measure.bound) == (12.5, 15)


# --- the disk ------------------------------------------------------------------------------------


def test_with_room_enough_all_cases_are_measured() -> None:
    assert fitting(500_000, 200 * GIGABYTE, is_doubled=True) == 500_000


def test_where_the_disk_is_short_fewer_cases_are_measured() -> None:
    fewer = fitting(500_000, 10 * GIGABYTE, is_doubled=True)
    assert 0 < fewer < 500_000
    assert fewer % FEWEST_CASES == 0
    # Growth doubles the history: without it there is room for twice as many.
    assert fitting(500_000, 10 * GIGABYTE, is_doubled=False) >= 2 * fewer


def test_a_disk_without_room_is_refused_with_what_it_would_take() -> None:
    with pytest.raises(RuntimeError, match=r"1\.0 GB free.*Free some"):
        fitting(500_000, GIGABYTE, is_doubled=False)


def test_a_short_disk_is_told_before_anything_is_made(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Usage:
        free = 20 * GIGABYTE

    class Prepared:
        def __init__(self, _server: object, _folder: Path, cases: int, _told: object) -> None:
            told.append(f"{cases} made")

        def prepare(self) -> None: ...

    told: list[str] = []
    monkeypatch.setattr(bench_module.shutil, "disk_usage", lambda _: Usage)
    monkeypatch.setattr(bench_module, "WarehouseBench", Prepared)
    for name in ("create", "start", "remove"):
        monkeypatch.setattr(PostgresServer, name, lambda _: None)

    with bench_module.bench(tmp_path, 500_000, told.append, is_doubled=True):
        pass

    room = fitting(500_000, Usage.free, is_doubled=True)
    assert told == [
        f"The disk has 20 GB free, too little for 500,000 cases: {room:,} are measured instead.",
        f"{room} made",
    ]
