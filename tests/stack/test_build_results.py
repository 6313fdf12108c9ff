"""A run of dbt: every node is on record, and a failure says which node, why and what to do."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg.rows import dict_row

from stack.database import Warehouse
from stack.dbt_build import BuildFailed, build, forget_results, last_run, without_values

pytestmark = [pytest.mark.server, pytest.mark.slow]

FILES = {
    "dbt_project.yml": """
name: small
version: '1.0.0'
profile: small
flags: {send_anonymous_usage_stats: false, use_colors: false}
""",
    "profiles.yml": """
small:
  target: warehouse
  outputs:
    warehouse:
      type: postgres
      host: "{{ env_var('SMALL_HOST') }}"
      port: "{{ env_var('SMALL_PORT') | as_number }}"
      dbname: "{{ env_var('SMALL_DATABASE') }}"
      user: tsur_transformer
      password: "{{ env_var('SMALL_PASSWORD') }}"
      schema: staging
      threads: 1
""",
    "seeds/people.csv": "person,age\nИванов,41\nПетров,42\n",
    "models/counted.sql": "select count(*) as people from {{ ref('people') }}",
    "models/numbered.sql": "{{ config(materialized='table') }}"
    " select person::integer as number from {{ ref('people') }}",
    "models/behind.sql": "select * from {{ ref('numbered') }}",
    "models/guarded.sql": "select * from {{ ref('counted') }}",
    "tests/one_person_at_most.sql": "select * from {{ ref('counted') }} where people > 1",
    "models/_models.yml": """
models:
  - name: counted
    columns:
      - name: people
        data_tests: [not_null]
""",
}
MENDED = {
    "models/numbered.sql": "select length(person) as number from {{ ref('people') }}",
    "tests/one_person_at_most.sql": "select * from {{ ref('counted') }} where people > 2",
}

Build = Callable[..., dict[str, int]]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("small") / "project"
    write(folder, FILES)
    return folder


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def run(project: Path, warehouse: Warehouse) -> Build:
    """Builds the small project in the module's warehouse."""
    parts = urlsplit(warehouse.url("transformer"))
    environment = {
        "SMALL_HOST": str(parts.hostname),
        "SMALL_PORT": str(parts.port),
        "SMALL_DATABASE": warehouse.database,
        "SMALL_PASSWORD": warehouse.passwords["transformer"],
        "DBT_TARGET_PATH": str(project.parent / "target"),
        "DBT_LOG_PATH": str(project.parent / "logs"),
    }

    def run(*arguments: str, **options: Any) -> dict[str, int]:
        folders = ["--project-dir", str(project), "--profiles-dir", str(project)]
        options = {"database_url": warehouse.url("transformer"), **options}
        return build([*arguments, *folders], environment=environment, **options)

    return run


@pytest.fixture(scope="module")
def failure(run: Build) -> str:
    """What a build says in which a model and a test fail."""
    with pytest.raises(BuildFailed) as failed:
        run(airflow_run_id="asset_triggered__1")
    return str(failed.value)


@pytest.fixture(scope="module")
def nodes(failure: str, warehouse: Warehouse) -> dict[str, dict[str, Any]]:
    """What is on record of that build, by the node's name."""
    with psycopg.connect(warehouse.url("auditor"), row_factory=dict_row) as connection:
        rows = connection.execute(
            "select * from audit.dbt_results where airflow_run_id = 'asset_triggered__1'"
        ).fetchall()
    return {row["name"]: row for row in rows}


def test_every_node_of_a_failed_build_is_on_record(nodes: dict[str, dict[str, Any]]) -> None:
    assert {name: (row["resource_type"], row["status"]) for name, row in nodes.items()} == {
        "people": ("seed", "success"),
        "counted": ("model", "success"),
        "not_null_counted_people": ("test", "pass"),
        "one_person_at_most": ("test", "fail"),
        "guarded": ("model", "skipped"),
        "numbered": ("model", "error"),
        "behind": ("model", "skipped"),
    }
    assert len({row["invocation_id"] for row in nodes.values()}) == 1
    assert nodes["people"]["rows_affected"] == 2
    assert nodes["one_person_at_most"]["rows_affected"] == 1
    assert nodes["not_null_counted_people"]["rows_affected"] == 0
    now = datetime.now(UTC)
    for row in nodes.values():
        is_skipped = row["status"] == "skipped"
        assert (row["started_at"] is None) == is_skipped
        assert (row["seconds"] > 0) != is_skipped
        assert now - timedelta(minutes=10) < row["run_started_at"] < now
        if not is_skipped:
            assert row["run_started_at"] < row["started_at"] < now
    assert nodes["counted"]["compiled_sha256"] != nodes["numbered"]["compiled_sha256"]
    assert nodes["people"]["compiled_sha256"] is None


def test_the_failure_names_the_nodes_what_postgresql_said_and_what_to_do(failure: str) -> None:
    assert "2 of 7 nodes failed, 2 behind them wait" in failure
    assert "model numbered:" in failure
    assert 'invalid input syntax for type integer: "Иванов"' in failure
    assert "models/numbered.sql" in failure
    assert "test one_person_at_most:" in failure
    assert "Got 1 result" in failure
    assert "one_person_at_most.sql" in failure
    assert "./tsur build --last" in failure
    assert "clear the task" in failure


def test_analysts_and_auditors_read_the_record_without_values_of_the_data(
    nodes: dict[str, dict[str, Any]], warehouse: Warehouse
) -> None:
    for role in ("analyst", "auditor"):
        with psycopg.connect(warehouse.url(role)) as connection:
            read = connection.execute("select message from audit.dbt_results").fetchall()
        told = " ".join(str(message) for (message,) in read)
        assert 'invalid input syntax for type integer: "xxxxxx"' in told
        assert "Иванов" not in told
    for role in ("official", "governor", "loader"):
        with (
            psycopg.connect(warehouse.url(role)) as connection,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            connection.execute("select message from audit.dbt_results")


def test_a_mended_project_is_built_by_a_repetition_and_both_runs_are_kept(
    nodes: dict[str, dict[str, Any]], project: Path, run: Build, warehouse: Warehouse
) -> None:
    write(project, MENDED)
    try:
        assert run() == {"success": 5, "pass": 2}
    finally:
        write(project, FILES)
    rows = last_run(warehouse.url("auditor"))
    assert len(rows) == 7
    assert {row["airflow_run_id"] for row in rows} == {None}
    assert {row["invocation_id"] for row in rows}.isdisjoint(
        {row["invocation_id"] for row in nodes.values()}
    )
    seconds = [row["seconds"] for row in rows]
    assert seconds == sorted(seconds, reverse=True)


def test_the_last_run_begins_with_what_went_wrong(run: Build, warehouse: Warehouse) -> None:
    with pytest.raises(BuildFailed):
        run()
    states = [row["status"] for row in last_run(warehouse.url("auditor"))]
    assert states[:4] == ["error", "fail", "skipped", "skipped"]


def test_dbt_prints_every_node_with_its_status_and_seconds(
    run: Build, capfd: pytest.CaptureFixture[str]
) -> None:
    run("--select", "counted", "--exclude", "test_type:singular")
    printed = capfd.readouterr().out
    assert "OK created sql view model staging.counted" in printed
    assert "PASS not_null_counted_people" in printed


def test_it_leaves_the_process_as_it_was(run: Build) -> None:
    before = dict(os.environ), Path.cwd()
    run("--select", "counted", "--exclude", "test_type:singular")
    assert (dict(os.environ), Path.cwd()) == before


def test_builds_of_one_warehouse_wait_for_one_another(run: Build, warehouse: Warehouse) -> None:
    url = warehouse.url("transformer")
    one = ("--select", "counted", "--exclude", "test_type:singular")
    with psycopg.connect(url, autocommit=True) as other:
        other.execute("select pg_advisory_lock(hashtextextended('tsur.build', 0))")
        # A build that may not wait long says that it would have to.
        with pytest.raises(psycopg.errors.LockNotAvailable):
            run(*one, database_url=f"{url}?options=-c%20lock_timeout%3D1")
    assert set(run(*one)) == {"success", "pass"}


def test_a_project_that_cannot_be_read_is_told_as_such(run: Build, project: Path) -> None:
    broken = project / "models" / "broken.sql"
    broken.write_text("select * from {{ ref('nothing') }}", encoding="utf-8")
    try:
        with pytest.raises(BuildFailed, match="came to no node") as failed:
            run()
    finally:
        broken.unlink()
    assert "nothing" in str(failed.value)


def test_a_server_that_takes_no_record_hides_no_failure(run: Build) -> None:
    gone = "postgresql://tsur_transformer@127.0.0.1:1/warehouse"
    with pytest.raises(BuildFailed, match="model numbered:"):
        run(database_url=gone)
    with pytest.raises(psycopg.OperationalError):
        run("--select", "counted", "--exclude", "test_type:singular", database_url=gone)


def test_old_results_are_forgotten_and_newer_ones_stay(warehouse: Warehouse) -> None:
    url = warehouse.url("transformer")
    with psycopg.connect(url) as connection:
        connection.execute(
            "insert into audit.dbt_results (invocation_id, run_started_at, unique_id, name,"
            " resource_type, status, seconds) select i::text, now() - i * interval '1 day', 'm',"
            " 'm', 'model', 'success', 1 from generate_series(1, 9) as i"
        )
    assert forget_results(url, datetime.now(UTC) - timedelta(days=4, hours=1)) == 5
    with psycopg.connect(url) as connection:
        left = connection.execute("select count(*) from audit.dbt_results where unique_id = 'm'")
        assert left.fetchone() == (4,)


@pytest.mark.parametrize(
    ("message", "kept"),
    [
        (
            'date/time field value out of range: "31.02.2026, ул. Мира"',
            'date/time field value out of range: "99.99.9999, xx. xxxx"',
        ),
        (
            'value "79161234567" is out of range for type integer',
            'value "99999999999" is out of range for type integer',
        ),
        (
            'null value in column "region_code" of relation "int_cases" violates not-null\n'
            "  DETAIL:  Failing row contains (null, Иванов Иван).\n"
            "  compiled code at target/run/int_cases.sql",
            'null value in column "region_code" of relation "int_cases" violates not-null\n'
            "  compiled code at target/run/int_cases.sql",
        ),
        ('column "persn" does not exist', 'column "persn" does not exist'),
        (None, None),
    ],
)
def test_a_message_is_kept_without_what_it_quotes_of_the_data(
    message: str | None, kept: str | None
) -> None:
    assert without_values(message) == kept
