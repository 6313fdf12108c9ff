"""What was published is computed again to the last digit, whatever came later."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from dbt_runs import DATABASE, PROJECT, VARIABLES, Dbt, Query, dbt_environment
from raw_rows import RawRows
from test_dbt_reference import land
from typer.testing import CliRunner

from ingestion.sandbox.truth import write_truth
from ingestion.sandbox.world import build_world
from stack import cli, pipeline, publication
from stack.database import Warehouse
from stack.publication import (
    SCRATCH_PREFIX,
    Difference,
    Period,
    PublicationError,
    RunDbt,
    compare,
    dbt_runner,
    load,
    pack,
    publications,
    publish,
    rebuild,
    reproduce,
)
from tests.conftest import copied
from tests.reference.marts_reference import Reference

pytestmark = [pytest.mark.server, pytest.mark.slow]

LATER = datetime.fromisoformat("2027-03-01T06:00:00+03:00")
BUILD = ("build", "--quiet", "--exclude-resource-type", "test", "unit_test")
COMPLIANCE = {"mart": "mart_deadline_compliance", "region": "tambov", "period": "2025-11"}
RATING = {"mart": "mart_agency_rating", "region": "chelyabinsk", "period": "2025-Q4"}


@pytest.fixture(scope="module")
def warehouse(built_sandbox: Warehouse) -> Iterator[Warehouse]:
    """The built sandbox; its marts are built anew in here."""
    with copied(built_sandbox, DATABASE) as copy:
        yield copy


@pytest.fixture(scope="module")
def run_dbt(warehouse: Warehouse, dbt_folder: Path) -> RunDbt:
    program = Path(sys.executable).with_name("dbt")
    return dbt_runner(program, dbt_environment(warehouse, dbt_folder), yaml.safe_load(VARIABLES))


def administer(warehouse: Warehouse, statement: str, database: str | None = None) -> list[Any]:
    url = warehouse.url("owner").replace("tsur_owner", "postgres")
    with psycopg.connect(url, dbname=database or warehouse.database) as connection:
        connection.execute("set session_replication_role = replica")
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


@pytest.fixture(scope="module")
def numbers(warehouse: Warehouse, run_dbt: RunDbt) -> dict[str, int]:
    """Two publications: one proven by a build of its own, one frozen as it stands.

    A case of the published month has landed since the marts were built: it is not in them.
    """
    rows = RawRows()
    rows.add(
        "pos_messages",
        "tambov",
        "came after the build",
        kind="appeal",
        received_at="2025-10-14T10:00:00+03:00",
        is_closed=False,
        topic="Невозможно записаться на приём к врачу",
        body="Министерство здравоохранения Тамбовской области",
    )
    rows.write(warehouse.url("loader"))
    return {
        "compliance": publish(warehouse, PROJECT, run_dbt, by="operator", **COMPLIANCE),
        "rating": publish(warehouse, PROJECT, run_dbt, by="operator", is_proven=False, **RATING),
    }


@pytest.fixture(scope="module")
def aged(
    warehouse: Warehouse,
    numbers: dict[str, int],
    dbt: Dbt,
    tmp_path_factory: pytest.TempPathFactory,
) -> Warehouse:
    """A year later: new cases and new versions, a load withdrawn, another model, another seed."""
    folder = tmp_path_factory.mktemp("later")
    write_truth(build_world(seed=11, as_of=LATER, cases=900), folder)
    rows = RawRows()
    reference = Reference(folder, LATER, {})
    land(rows, reference, reference.records)
    rows.write(warehouse.url("loader"))
    with psycopg.connect(warehouse.url("loader")) as connection:
        ((withdrawn,),) = connection.execute(
            "update ops.loads set withdrawn_at = clock_timestamp(), withdrawn_by = 'operator',"
            " withdrawn_reason = 'another file' where load_id ="
            " (select min(load_id) from raw.pos_messages) returning load_id"
        ).fetchall()
        ((held,),) = connection.execute(
            "select count(*) from raw.pos_messages where load_id = %s", [withdrawn]
        ).fetchall()
        ((moved,),) = connection.execute(
            "select raw.set_aside('pos_messages', %(load)s, (select array_agg(raw_id)"
            " from (select raw_id from raw.pos_messages where load_id = %(load)s limit 300) as r),"
            " 'withdrawn')",
            {"load": withdrawn},
        ).fetchall()
        assert held > 100
        assert moved == min(held, 300)
    with psycopg.connect(warehouse.url("transformer")) as connection:
        connection.execute("update nlp.models set is_current = false")
        connection.execute("insert into nlp.models values ('later', now(), true, '{}')")
        connection.execute(
            "insert into nlp.enrichments select text_hash, 'later', masked_text, lemmas,"
            " organisations, places, '{}', 'ENERGY', 0.9, entities, now() from nlp.enrichments"
        )
    project = tmp_path_factory.mktemp("changed") / "dbt_project"
    shutil.copytree(PROJECT, project)
    seed = project / "seeds" / "rating_dimensions.csv"
    lines = seed.read_text(encoding="utf-8").splitlines()
    weight = lines[0].split(",").index("weight")
    for number, line in enumerate(lines[1:], start=1):
        cells = line.split(",")
        cells[weight] = str(number)
        lines[number] = ",".join(cells)
    seed.write_text("\n".join(lines) + "\n", encoding="utf-8")
    dbt(
        *BUILD,
        *("--project-dir", str(project), "--profiles-dir", str(project)),
        *("--select", "+mart_deadline_compliance", "+mart_agency_rating"),
        *("--vars", "{as_of: {'*': '" + LATER.isoformat() + "'}}"),
    )
    return warehouse


def values(warehouse: Warehouse, number: int) -> list[tuple[Any, ...]]:
    with psycopg.connect(warehouse.url("auditor")) as connection:
        return connection.execute(
            "select row_number, column_name, value_numeric, value_text from audit.published_values"
            " where publication_id = %s order by 1, 2",
            [number],
        ).fetchall()


def test_a_publication_holds_the_rows_of_the_mart_and_what_they_follow_from(
    warehouse: Warehouse, numbers: dict[str, int], query: Query
) -> None:
    number = numbers["compliance"]
    frozen = values(warehouse, number)
    ((rows, cycles, on_time),) = query(
        "select count(*), sum(cycles), sum(on_time) from marts.mart_deadline_compliance"
        " where region_code = 'tambov' and month_date = '2025-11-01'"
    )
    assert rows > 10
    by_column: dict[str, list[Any]] = {}
    for _, column, numeric, _ in frozen:
        by_column.setdefault(column, []).append(numeric)
    assert (len(by_column["cycles"]), sum(by_column["cycles"])) == (rows, cycles)
    assert sum(by_column["on_time"]) == on_time
    (told,) = [row for row in publications(warehouse.url("auditor"))
               if row["publication_id"] == number]  # fmt: skip
    assert (told["mart"], told["region_code"], told["period"]) == (
        "mart_deadline_compliance", "tambov", "2025-11",
    )  # fmt: skip
    assert told["is_proven"]
    assert told["row_count"] == rows
    assert told["as_of"] == datetime.fromisoformat("2026-03-01T06:00:00+03:00")
    assert told["nlp_model_version"]
    assert told["metric_version"]
    found = load(warehouse.url("transformer"), number)
    assert found.project.sha256 == pack(PROJECT).sha256
    assert {"deadline_rules", "regions", "blocks"} <= found.project.seed_hashes.keys()
    assert found.known["tables"]["pos_messages"] > 100


def test_scores_are_kept_with_every_digit(warehouse: Warehouse, numbers: dict[str, int]) -> None:
    scores = {
        value
        for _, column, value, _ in values(warehouse, numbers["rating"])
        if column == "score" and value is not None
    }
    assert scores
    assert all(isinstance(score, Decimal) and score.as_tuple().exponent == -1 for score in scores)


Rows = tuple[tuple[str | None, ...], ...]


@pytest.fixture(scope="module")
def rebuilt(aged: Warehouse, numbers: dict[str, int], run_dbt: RunDbt) -> dict[str, Rows]:
    """Both publications computed again after that year."""
    return {
        name: rebuild(aged, load(aged.url("transformer"), number), run_dbt)
        for name, number in numbers.items()
    }


@pytest.fixture
def recomputed(monkeypatch: pytest.MonkeyPatch, rebuilt: dict[str, Rows]) -> None:
    """A build takes its time: what `rebuild` gave once it gives again."""
    marts = {COMPLIANCE["mart"]: rebuilt["compliance"], RATING["mart"]: rebuilt["rating"]}
    monkeypatch.setattr(publication, "rebuild", lambda _, found, *__, **___: marts[found.mart])


@pytest.mark.parametrize("name", ["compliance", "rating"])
def test_after_a_year_of_data_another_model_and_another_seed_all_cells_are_equal(
    aged: Warehouse,
    numbers: dict[str, int],
    rebuilt: dict[str, Rows],
    query: Query,
    name: str,
) -> None:
    published = load(aged.url("transformer"), numbers[name])
    condition = {
        "compliance": "month_date = '2025-11-01'",
        "rating": "period_kind = 'quarter' and period_start = '2025-10-01'",
    }[name]
    now = query(
        f"select {', '.join(f'{column}::text' for column in published.column_names)}"
        f" from marts.{published.mart}"
        f" where region_code = '{published.region_code}' and {condition}"
    )
    # The mart itself has become another.
    assert compare(published, now) is not None
    assert compare(published, rebuilt[name]) is None
    assert len(rebuilt[name]) == len(published.rows)


def test_texts_that_were_found_alike_later_are_not_known_to_a_publication(
    warehouse: Warehouse, numbers: dict[str, int]
) -> None:
    published = load(warehouse.url("transformer"), numbers["compliance"])
    pair = (
        "insert into nlp.near_duplicates values ('message', %(text)s, 'z', %(model)s, 0.9, %(at)s)"
    )
    at = datetime.fromisoformat(published.known["at"])
    model = published.nlp_model_version
    with psycopg.connect(warehouse.url("transformer")) as connection:
        for text, moment in (("before", at), ("later", at + timedelta(seconds=1))):
            connection.execute(pair, {"text": text, "model": model, "at": moment})
    known: list[Any] = []

    def look(_: Sequence[str], __: Path, database: str, ___: Path) -> None:
        known.extend(administer(warehouse, "select first_hash from nlp.near_duplicates", database))
        raise PublicationError("looked")

    try:
        with pytest.raises(PublicationError, match="looked"):
            rebuild(warehouse, published, look)
    finally:
        administer(warehouse, "delete from nlp.near_duplicates")
    assert known == [("before",)]


@pytest.mark.usefixtures("recomputed")
def test_a_value_that_was_tampered_with_is_named(
    aged: Warehouse, numbers: dict[str, int], run_dbt: RunDbt
) -> None:
    number = numbers["rating"]
    ((place, body, score),) = administer(
        aged,
        "select v.row_number, b.value_text, v.value_numeric from audit.published_values as v"
        " inner join audit.published_values as b using (publication_id, row_number)"
        f" where publication_id = {number} and v.column_name = 'score'"
        " and v.value_numeric is not null and b.column_name = 'body_code'"
        " order by row_number desc limit 1",
    )
    tamper = (
        "update audit.published_values set value_numeric = value_numeric {} 0.1"
        f" where publication_id = {number} and row_number = {place} and column_name = 'score'"
    )
    assert reproduce(aged, number, run_dbt) is None
    administer(aged, tamper.format("+"))
    try:
        found = reproduce(aged, number, run_dbt)
    finally:
        administer(aged, tamper.format("-"))
    assert found is not None
    assert found.column == "score"
    assert f"body_code={body}" in found.key
    assert (found.published, found.reproduced) == (str(score + Decimal("0.1")), str(score))


@pytest.mark.usefixtures("recomputed")
def test_a_mart_that_does_not_follow_from_raw_is_not_published(
    aged: Warehouse, run_dbt: RunDbt
) -> None:
    before = len(publications(aged.url("auditor")))
    with pytest.raises(PublicationError, match=r"month_date=2025-11-01.*tsur build"):
        publish(aged, PROJECT, run_dbt, by="operator", **COMPLIANCE)
    assert len(publications(aged.url("auditor"))) == before


def test_nothing_is_left_on_the_server(warehouse: Warehouse, numbers: dict[str, int]) -> None:
    left = administer(warehouse, "select datname from pg_database")
    assert [name for (name,) in left if name.startswith(SCRATCH_PREFIX)] == []


@pytest.mark.parametrize("role", ["owner", "transformer", "auditor", "loader", "analyst"])
@pytest.mark.parametrize(
    "table", ["publications", "published_values", "published_projects", "builds"]
)
def test_what_was_published_is_changed_by_nobody(
    warehouse: Warehouse, numbers: dict[str, int], role: str, table: str
) -> None:
    column = {"published_values": "column_name", "builds": "invocation_id"}.get(
        table, "project_sha256"
    )
    for statement in (
        f"update audit.{table} set {column} = 'x'",
        f"delete from audit.{table}",
        f"truncate audit.{table} cascade",
    ):
        with (
            psycopg.connect(warehouse.url(role)) as connection,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            connection.execute(statement.encode())


@pytest.mark.parametrize("role", ["analyst", "official", "governor", "loader"])
def test_publications_are_for_auditors(
    warehouse: Warehouse, numbers: dict[str, int], role: str
) -> None:
    with (
        psycopg.connect(warehouse.url(role)) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute("select * from audit.publications")


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"mart": "mart_of_wishes"}, "no mart 'mart_of_wishes'"),
        ({"mart": "fct_appeals"}, "no mart 'fct_appeals'"),
        ({"mart": "mart_source_freshness"}, "shows the present"),
        ({"region": "nowhere"}, "no row of nowhere for 2025-11"),
        ({"period": "November"}, "is no period"),
        ({"mart": "mart_case_ledger"}, "has no periods"),
    ],
)
def test_what_cannot_be_published_is_refused_with_the_reason(
    warehouse: Warehouse, run_dbt: RunDbt, given: dict[str, str], reason: str
) -> None:
    with pytest.raises(PublicationError, match=reason):
        publish(warehouse, PROJECT, run_dbt, by="operator", **{**COMPLIANCE, **given})


@pytest.mark.parametrize(
    ("text", "kind", "start", "end"),
    [
        ("2026-02", "month", date(2026, 2, 1), date(2026, 3, 1)),
        ("2026-12", "month", date(2026, 12, 1), date(2027, 1, 1)),
        ("2026-Q4", "quarter", date(2026, 10, 1), date(2027, 1, 1)),
        # The first week of 2026 begins in December: it holds the first Thursday.
        ("2026-W01", "week", date(2025, 12, 29), date(2026, 1, 5)),
        ("2026", "year", date(2026, 1, 1), date(2027, 1, 1)),
        ("2026-02-28", "day", date(2026, 2, 28), date(2026, 3, 1)),
        ("all", "all", None, None),
    ],
)
def test_a_period_is_read_as_people_write_it(
    text: str, kind: str, start: date | None, end: date | None
) -> None:
    assert Period.parse(text) == Period(text, kind, start, end)


def test_a_row_too_many_and_a_row_too_few_are_differences(
    warehouse: Warehouse, numbers: dict[str, int]
) -> None:
    published = load(warehouse.url("transformer"), numbers["compliance"])
    others = published.rows[1:]
    assert compare(published, published.rows) is None
    missing = compare(published, others)
    assert missing is not None
    assert str(missing).endswith("is published, not reproduced")
    extra = compare(replace(published, rows=others), published.rows)
    assert extra is not None
    assert str(extra).endswith("is reproduced, not published")


def test_the_command_ends_with_1_and_names_the_cell(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cli, "_home", lambda: None)
    difference: Difference | None = Difference("body_code=b", "score", "90.1", "90.0")
    monkeypatch.setattr(pipeline, "reproduce", lambda *_, **__: difference)
    result = CliRunner().invoke(cli.app, ["reproduce", "7"])
    assert result.exit_code == 1
    assert "score of body_code=b: published 90.1, reproduced 90.0" in result.stdout
    difference = None
    result = CliRunner().invoke(cli.app, ["reproduce", "7"])
    assert result.exit_code == 0
    assert "equal to the last digit" in result.stdout
