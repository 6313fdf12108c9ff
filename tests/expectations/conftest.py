"""A small, consistent warehouse: every check passes on it, until a test breaks one thing."""

from __future__ import annotations

import hashlib
import json
import uuid
from dataclasses import dataclass

import psycopg
import pytest

from expectations.sources import SourceTable
from expectations.tables import ensure
from stack.database import Warehouse

SOURCES = (
    SourceTable("pos", ("messages",), "case", "pos_messages", ("tambov",)),
    SourceTable("pos", ("history",), "event", "pos_history", ("tambov",)),
    SourceTable("boston_311_2015", ("rows",), "case", "boston_311_2015", ("boston",)),
)

MARTS = """
create table marts.fct_appeals (
    case_id uuid, region_code text, source_code text, channel_code text, native_id text,
    received_at timestamptz, closed_at timestamptz, is_closed boolean, is_deleted boolean,
    block_code text, body_code text, municipality_code text, text_masked text,
    is_received boolean
);
create table marts.fct_deadlines (
    case_id uuid, cycle_no int, region_code text, source_code text, native_id text,
    due_at timestamptz, source_due_at timestamptz, closed_at timestamptz, deadline_status text,
    source_verdict text, as_of timestamptz, is_verdict_mismatch boolean, exclusion_code text,
    is_opened boolean
);
create table marts.dim_regions (region_code text, region_name text, as_of timestamptz);
create table marts.mart_case_ledger (
    record_key uuid, source_code text, region_code text, native_id text, ledger_state text,
    reason text, case_id uuid, duplicate_of_case_id uuid
);
create table marts.mart_deadline_compliance (
    month_date date, region_code text, block_code text, body_code text, body_name text,
    cycles int, due_cohort int, on_time int, late int, overdue_open int, open int,
    answered_not_yet_due int, undefined int, as_of timestamptz,
    metric_version text, config_version text
);
create table marts.mart_block_workload (
    week_start date, region_code text, block_code text, intake int, reopened int,
    closures int, open_cases int, net_flow int,
    occupancy_share numeric, is_computed boolean, not_computed_reason text, as_of timestamptz,
    metric_version text, config_version text
);
create table marts.mart_agency_rating (
    period_kind text, period_start date, region_code text, body_code text, body_name text,
    body_kind_code text, score numeric(4, 1), rank int, rating_state text, as_of timestamptz,
    metric_version text, config_version text
);
create table marts.mart_agency_rating_dimensions (
    period_kind text, period_start date, region_code text, body_code text, contribution numeric
);
create table marts.source_freshness (
    source_code text, source_name text, entity_code text, record_kind_name text, region_code text,
    region_name text, last_loaded_at timestamptz, is_late boolean, freshness_name text,
    load_date date, rows_read bigint, usual_rows numeric, volume_code text
);
-- What dbt makes a view of.
create view marts.mart_source_freshness as select * from marts.source_freshness;
create table reference.data_sources (source_code text);
create table reference.verdict_labels (source_code text, verdict text, is_overdue boolean);
create table intermediate.int_texts (text_hash text, text text, region_code text);
create table intermediate.int_corrections (
    record_key uuid, region_code text, case_native_id text, problem_name text
);
create table nlp.models (model_version text, is_current boolean);
create table nlp.enrichments (text_hash text, model_version text);
"""
AS_OF = "2026-11-20T03:00:00+00:00"


def record_key(source_code: str, region_code: str, entity: str, native_id: str) -> uuid.UUID:
    """The key as the contract defines it."""
    text = "\x1f".join((source_code, region_code, entity, native_id))
    return uuid.UUID(bytes=hashlib.sha256(text.encode()).digest()[:16])


@dataclass(frozen=True)
class Line:
    """The warehouse of one module, filled anew for each test."""

    warehouse: Warehouse

    @property
    def url(self) -> str:
        return self.warehouse.url("transformer")

    def owner(self, *statements: str) -> None:
        """Runs SQL as the owner of raw and ops."""
        self._run("owner", statements)

    def transformer(self, *statements: str) -> None:
        """Runs SQL as the owner of the marts and of audit."""
        self._run("transformer", statements)

    def _run(self, role: str, statements: tuple[str, ...]) -> None:
        with psycopg.connect(self.warehouse.url(role)) as connection:
            for statement in statements:
                connection.execute(statement)

    def rows(self, query: str, role: str = "transformer") -> list[tuple]:
        with psycopg.connect(self.warehouse.url(role)) as connection:
            return connection.execute(query).fetchall()


def _load(connection: psycopg.Connection, source: SourceTable, rows: list[dict]) -> int:
    region = source.regions[0]
    found = connection.execute(
        "insert into ops.loads (run_id, source_code, entity, region_code, started_at, finished_at, "
        "outcome, rows_read, rows_landed, rows_unchanged, rows_quarantined) "
        "values ('test', %s, %s, %s, now(), now(), 'success', %s, %s, 0, 0) returning load_id",
        [source.source_code, source.entities[0], region, len(rows), len(rows)],
    ).fetchone()
    assert found is not None
    load_id: int = found[0]
    for row in rows:
        record = json.dumps(row)
        connection.execute(
            f"insert into raw.{source.table} (record_key, source_code, region_code, native_id, "
            "payload, record, payload_hash, observed_at, load_id) "
            "values (%s, %s, %s, %s, '{}', %s, %s, now(), %s)",
            [
                record_key(source.source_code, region, source.entities[0], row["native_id"]),
                source.source_code,
                region,
                row["native_id"],
                record,
                hashlib.sha256(record.encode()).digest(),
                load_id,
            ],
        )
    return load_id


def _fill_raw(connection: psycopg.Connection) -> None:
    for number in range(2):  # the second load brings another version of message 1
        stage = f"этап {number}"
        rows = [{"native_id": "1", "received_at": "2026-10-01T00:00:00+03:00", "stage": stage}]
        if number == 0:
            rows += [
                {"native_id": "2", "received_at": "2026-10-02T00:00:00+03:00"},
                {"native_id": "3", "received_at": "2026-11-18T00:00:00+03:00"},
            ]
        _load(connection, SOURCES[0], rows)
    _load(
        connection,
        SOURCES[1],
        [{"native_id": "1/1", "occurred_at": "2026-10-01T09:00:00+03:00"}],
    )
    _load(
        connection,
        SOURCES[2],
        [
            {"native_id": "101", "received_at": "2026-11-19T00:00:00-05:00"},
            {"native_id": "102", "received_at": None},
        ],
    )


def _fill_marts(connection: psycopg.Connection) -> None:
    keys = {number: record_key("pos", "tambov", "messages", number) for number in "123"}
    for number in ("101", "102"):
        keys[number] = record_key("boston_311_2015", "boston", "rows", number)
    appeal = "insert into marts.fct_appeals values (" + ", ".join(["%s"] * 14) + ")"
    deadline = "insert into marts.fct_deadlines values (" + ", ".join(["%s"] * 14) + ")"
    ledger = "insert into marts.mart_case_ledger values (" + ", ".join(["%s"] * 8) + ")"
    # number, received, closed, due, status
    cases = [
        ("1", "2026-10-01 00:00+03", "2026-10-20 00:00+03", "2026-10-31 23:59+03", "on_time"),
        ("3", "2026-11-18 00:00+03", None, "2026-12-18 23:59+03", "open"),
        ("101", "2026-11-17 00:00-05", "2026-11-19 00:00-05", "2026-11-18 00:00-05", "late"),
        ("102", "2026-11-16 00:00-05", None, "2026-11-17 00:00-05", "overdue_open"),
    ]
    for number, received, closed, due, status in cases:
        source, region = ("pos", "tambov") if len(number) == 1 else ("boston_311_2015", "boston")
        verdict = "Нет" if source == "pos" else "OVERDUE"
        connection.execute(
            appeal,
            [keys[number], region, source, "pos", number, received, closed, closed is not None,
             False, "ROADS", "body", "68000000", "Яма у дома <b>5</b>, тел. [ТЕЛЕФОН]", True],
        )  # fmt: skip
        connection.execute(
            deadline,
            [
                keys[number],
                1,
                region,
                source,
                number,
                due,
                due,
                closed,
                status,
                verdict,
                AS_OF,
                False,
                None,
                True,
            ],
        )
        connection.execute(
            ledger,
            [keys[number], source, region, number, "in_marts", "Учтено.", keys[number], None],
        )
    connection.execute(
        ledger,
        [keys["2"], "pos", "tambov", "2", "merged_duplicate", "Тот же текст.", None, keys["1"]],
    )
    versions = f"'{AS_OF}', '1', '1'"
    for statement in (
        f"insert into marts.dim_regions values ('tambov', 'Тамбовская область', '{AS_OF}'), "
        f"('boston', 'Бостон (США)', '{AS_OF}')",
        "insert into marts.mart_deadline_compliance values "
        f"('2026-10-01', 'tambov', 'ROADS', 'body', 'Орган', 1, 1, 1, 0, 0, 0, 0, 0, {versions}), "
        f"('2026-12-01', 'tambov', 'ROADS', 'body', 'Орган', 1, 0, 0, 0, 0, 1, 0, 0, {versions}), "
        f"('2026-11-01', 'boston', 'ROADS', 'body', 'PWDx', 2, 2, 0, 1, 1, 0, 0, 0, {versions})",
        "insert into marts.mart_block_workload values "
        f"('2026-11-16', 'tambov', 'ROADS', 1, 1, 0, 2, 2, 0.5, true, null, {versions}), "
        f"('2026-11-16', 'boston', 'ROADS', 2, 0, 1, 1, 1, null, false, 'Нет графика.', "
        f"{versions})",
        "insert into marts.mart_agency_rating values "
        f"('month', '2026-10-01', 'tambov', 'a', 'А', 'oiv', 90.0, 1, 'ranked', {versions}), "
        f"('month', '2026-10-01', 'tambov', 'b', 'Б', 'oiv', 90.0, 1, 'ranked', {versions}), "
        f"('month', '2026-10-01', 'tambov', 'c', 'В', 'oiv', 80.0, 2, 'ranked', {versions}), "
        "('month', '2026-10-01', 'tambov', 'd', 'Г', 'oiv', null, null, 'мало данных', "
        f"{versions})",
        "insert into marts.mart_agency_rating_dimensions "
        "select 'month', '2026-10-01', 'tambov', body, half from "
        "(values ('a', 45.0), ('b', 45.0), ('c', 40.0)) as body (body, half), "
        "generate_series(1, 2)",
        "insert into marts.mart_source_freshness values "
        "('pos', 'ПОС', 'messages', 'Обращения', 'tambov', 'Тамбовская область', now(), false, "
        "'в срок', '2026-11-20', 100, 100, 'usual'), ('pos', 'ПОС', 'history', 'История', "
        "'tambov', 'Тамбовская область', null, false, 'не загружался', null, null, null, "
        "'not_compared')",
        "insert into reference.data_sources values ('pos'), ('boston_311_2015')",
        "insert into reference.verdict_labels values ('pos', 'Да', true), ('pos', 'Нет', false), "
        "('boston_311_2015', 'ONTIME', false), ('boston_311_2015', 'OVERDUE', true)",
        "insert into intermediate.int_texts values ('aa', 'Яма', 'tambov')",
        "insert into intermediate.int_corrections values "
        "(gen_random_uuid(), 'tambov', '101', null)",
        "insert into nlp.models values ('m1', true)",
        "insert into nlp.enrichments values ('aa', 'm1')",
    ):
        connection.execute(statement)


@pytest.fixture(scope="module")
def _tables(warehouse: Warehouse) -> Warehouse:
    with psycopg.connect(warehouse.url("loader")) as connection:
        for source in SOURCES:
            connection.execute("select raw.create_entity_table(%s)", [source.table])
    with psycopg.connect(warehouse.url("transformer")) as connection:
        connection.execute(MARTS)
    return warehouse


@pytest.fixture
def empty_line(_tables: Warehouse) -> Line:
    """All tables of the line, without a row."""
    names = [f"raw.{source.table}" for source in SOURCES]
    with psycopg.connect(_tables.url("owner")) as connection:
        connection.execute(f"truncate {', '.join(names)}, ops.quarantine, ops.loads cascade")
    with psycopg.connect(_tables.url("transformer")) as connection:
        ensure(connection)
        found = connection.execute(
            "select schemaname || '.' || tablename from pg_tables "
            "where tableowner = 'tsur_transformer'"
        ).fetchall()
        connection.execute(f"truncate {', '.join(name for (name,) in found)} cascade")
    return Line(_tables)


@pytest.fixture
def line(empty_line: Line) -> Line:
    """The line with five cases of two sources: every check passes."""
    with psycopg.connect(empty_line.warehouse.url("owner")) as connection:
        _fill_raw(connection)
    with psycopg.connect(empty_line.url) as connection:
        _fill_marts(connection)
    return empty_line
