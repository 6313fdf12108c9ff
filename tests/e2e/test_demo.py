"""The demo as its users meet it: complete, repeatable, closed to those who may not look."""

from __future__ import annotations

import json
import os
import stat
from collections import Counter
from pathlib import Path
from typing import Any

import filelock
import psutil
import psycopg
import pytest
import requests
import tenacity

from stack.airflow_client import AirflowClient
from stack.airflow_services import warehouse_of
from tests.e2e.conftest import Home
from tests.reference.marts_reference import attributes_of, compute, differences

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1500)]


@tenacity.retry(
    retry=tenacity.retry_if_result(lambda run: run["state"] not in {"success", "failed"}),
    wait=tenacity.wait_fixed(1),
    stop=tenacity.stop_after_delay(240),
)
def ended_run(client: AirflowClient, dag_id: str, run_id: str) -> dict[str, Any]:
    """A run that is the latest of its DAG, awaited to its end."""
    run = client.latest_run(dag_id)
    assert run is not None
    return run if run["dag_run_id"] == run_id else {"state": "not begun"}


def test_everything_is_healthy_and_every_dag_has_run_to_success(demo: Home) -> None:
    status = demo.status()
    assert len(status["services"]) >= 8
    assert [one["service"] for one in status["services"] if not one["is_healthy"]] == []
    settings = demo.settings
    client = AirflowClient(settings.airflow_url, settings.credentials.airflow["admin"])
    states = {
        dag_id: (client.latest_run(dag_id) or {}).get("state")
        for dag_id in client.dags()
        if dag_id != "maintenance"
    }
    assert len(states) >= 8
    assert set(states.values()) == {"success"}, states


def test_the_nightly_maintenance_prunes_old_logs_and_old_metadata(demo: Home) -> None:
    settings = demo.settings
    client = AirflowClient(settings.airflow_url, settings.credentials.airflow["admin"])
    old = settings.home / "logs" / "old.log"
    old.write_text("of last year", encoding="utf-8")
    os.utime(old, (0, 0))
    metadata = warehouse_of(settings).application_url("airflow")
    with psycopg.connect(metadata, autocommit=True) as connection:
        connection.execute(
            "insert into log (dttm, event, owner) values ('2020-01-01', 'long ago', 'test')"
        )
        run_id = client.trigger("maintenance", {})
        run = ended_run(client, "maintenance", run_id)
        left = connection.execute("select count(*) from log where dttm < '2021-01-01'").fetchone()
    assert run["state"] == "success"
    assert left == (0,)
    assert not old.exists()
    assert (settings.home / "logs" / "airflow-scheduler.log").exists()


def test_every_node_of_both_builds_is_on_record_and_none_read_the_project_anew(
    demo: Home,
) -> None:
    settings = demo.settings
    client = AirflowClient(settings.airflow_url, settings.credentials.airflow["admin"])
    run_id = (client.latest_run("warehouse") or {})["dag_run_id"]
    rows = demo.sql(
        "select invocation_id, unique_id, resource_type, status from audit.dbt_results"
        f" where airflow_run_id = '{run_id}'"
    )
    manifest = json.loads((settings.dbt_target / "manifest.json").read_text(encoding="utf-8"))
    nodes = {
        key
        for key, node in manifest["nodes"].items()
        if node["config"]["materialized"] != "ephemeral" and node["resource_type"] != "operation"
    }
    assert len(nodes) > 500
    built = Counter(row["unique_id"] for row in rows if row["resource_type"] != "operation")
    assert built == Counter(nodes)
    assert len({row["invocation_id"] for row in rows}) == 2
    assert {row["status"] for row in rows} <= {"success", "pass", "warn"}
    last = json.loads(demo.run("build", "--last", "--json").stdout)
    assert {row["airflow_run_id"] for row in last} == {run_id}
    assert f"{run_id}, " in demo.run("build", "--last").stdout
    for task in ("before_enrichment", "after_enrichment"):
        logs = (settings.home / "airflow" / "logs" / "dag_id=warehouse").rglob(f"*={task}/*.log")
        log = "".join(path.read_text(encoding="utf-8") for path in logs)
        assert "full parse" not in log
        assert log.count("OK created") > 50


def test_every_case_of_the_sandbox_is_in_the_ledger_and_ends_where_the_truth_says(
    demo: Home, truth: dict[str, Any]
) -> None:
    ledger = {
        (row["region_code"], row["source_code"], row["native_id"]): row
        for row in demo.sql(
            "select region_code, source_code, native_id, ledger_state, reason "
            "from marts.mart_case_ledger"
        )
    }
    assert all(row["reason"] for row in ledger.values())
    made = {
        (case["region_code"], case["source_code"], case["native_id"]): case
        for case in truth["cases"]
        if not case["is_bad"]
    }
    assert made.keys() == ledger.keys()
    wrong = Counter()
    for key, case in made.items():
        expected = "in_marts"
        if not case["is_case"]:
            expected = "not_a_case"
        elif case["duplicate_of"]:
            expected = "merged_duplicate"
        elif case["is_deleted_at_source"]:
            expected = "deleted_at_source"
        if ledger[key]["ledger_state"] != expected:
            wrong[(expected, ledger[key]["ledger_state"], key[1])] += 1
    assert not wrong


def test_the_count_of_cases_is_what_the_sandbox_holds_less_what_the_ledger_explains(
    demo: Home, truth: dict[str, Any]
) -> None:
    expected = sum(
        1
        for case in truth["cases"]
        if case["is_case"] and not case["is_bad"] and not case["duplicate_of"]
    )
    output = demo.run("sql", "--csv", "select count(*) from marts.fct_appeals").stdout
    assert output.splitlines() == ["count", str(expected)]


def test_every_bad_record_of_the_sandbox_is_in_quarantine_with_its_reason(
    demo: Home, truth: dict[str, Any]
) -> None:
    bad = [case for case in truth["cases"] if case["is_bad"]]
    rows = demo.sql(
        "select error_code, reason, field from ops.quarantine where state = 'open'", role="auditor"
    )
    assert len(rows) >= len(bad) > 0
    assert all(row["error_code"] and row["reason"] for row in rows)


def test_every_cycle_has_the_deadline_status_that_the_generator_knows(
    demo: Home, truth: dict[str, Any]
) -> None:
    built = {
        (row["region_code"], row["source_code"], row["native_id"], int(row["cycle_no"])): row
        for row in demo.sql(
            "select region_code, source_code, native_id, cycle_no, deadline_status "
            "from marts.fct_deadlines"
        )
    }
    wrong: Counter[tuple[str, str, str]] = Counter()
    compared = 0
    for case in truth["cases"]:
        if case["is_bad"] or not case["is_case"] or case["duplicate_of"]:
            continue
        for cycle in case["cycles"]:
            key = (case["region_code"], case["source_code"], case["native_id"], cycle["cycle_no"])
            status = built.get(key, {}).get("deadline_status", "missing")
            compared += 1
            if status != cycle["deadline_status"]:
                wrong[(case["source_code"], cycle["deadline_status"], status)] += 1
    assert compared > 0
    assert not wrong


def test_the_three_marts_equal_an_independent_computation_from_the_truth(
    demo: Home, truth: dict[str, Any]
) -> None:
    with psycopg.connect(warehouse_of(demo.settings).url("analyst")) as connection:

        def query(statement: str) -> list[tuple[Any, ...]]:
            return connection.execute(statement.encode()).fetchall()

        marts = compute(truth["folder"], demo.settings.as_of["*"], attributes_of(query))
        assert marts.compliance
        assert marts.workload
        assert marts.ratings
        assert differences(marts, query) == []


def test_again_it_doubles_nothing(demo: Home) -> None:
    counts = (
        # An hour may strike meanwhile, and the schedule loads what is due.
        "select (select count(*) from ops.loads where run_id not like 'scheduled%') as loads, "
        "(select count(*) from ops.quarantine) as quarantined"
    )
    cases = "select count(*) from marts.fct_appeals"
    before = demo.sql(counts, role="auditor"), demo.number(cases)
    pids = {one["service"]: one["pid"] for one in demo.status()["services"]}
    again = demo.run("demo")
    assert "nothing is loaded twice" in again.stderr
    assert (demo.sql(counts, role="auditor"), demo.number(cases)) == before
    assert {one["service"]: one["pid"] for one in demo.status()["services"]} == pids


def test_the_second_of_two_at_once_says_so(demo: Home) -> None:
    with filelock.FileLock(demo.folder / "run" / "lock"):
        second = demo.run("demo", check=False)
    assert second.returncode == 1
    assert "is being used by another tsur command" in second.stderr
    assert "TSUR_HOME" in second.stderr


def test_it_prints_where_to_look_and_how_to_stop(demo: Home) -> None:
    printed = demo.run("demo").stderr
    settings = demo.settings
    for address in (settings.airflow_url, settings.superset_url, settings.pages_url):
        assert address in printed
    assert "./tsur down" in printed
    assert str(demo.folder / "secrets" / "credentials.json") in printed


@pytest.mark.parametrize("page", ["quality", "dictionary"])
def test_the_pages_open_and_need_nothing_from_elsewhere(demo: Home, page: str) -> None:
    answer = requests.get(f"{demo.settings.pages_url}/{page}/", timeout=10)
    assert answer.status_code == 200
    text = answer.content.decode("utf-8")
    assert '<meta charset="utf-8"' in text.lower()
    if page == "quality":
        assert "<script src=" not in text
        assert 'href="http' not in text
        assert "Отчёт о качестве" in text


def test_secrets_are_in_files_that_only_the_owner_reads_and_nowhere_else(demo: Home) -> None:
    folder = demo.folder / "secrets"
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    credentials = demo.settings.credentials
    secrets = [
        *credentials.database_roles.values(),
        *(login.password for login in credentials.airflow.values()),
        *(login.password for login in credentials.superset.values()),
        credentials.vault_key,
        credentials.sandbox_token,
        credentials.postgres_admin,
    ]
    logs = [*(demo.folder / "logs").rglob("*.log*"), *(demo.folder / "airflow").rglob("*.log")]
    assert len(logs) > 10
    for path in logs:
        text = path.read_text(encoding="utf-8", errors="replace")
        assert [1 for secret in secrets if secret in text] == [], path
    for process in psutil.process_iter():
        try:
            words = " ".join(process.cmdline())
        except psutil.Error:
            continue
        assert [1 for secret in secrets if secret in words] == [], process.pid


@pytest.mark.parametrize("role", ["analyst", "official"])
@pytest.mark.parametrize(
    "query",
    [
        "select payload from raw.pos_cards limit 1",
        "select * from vault.identities limit 1",
        "select text from intermediate.int_texts limit 1",
        "select raw_sealed from ops.quarantine limit 1",
        "select * from staging.stg_pos_cards limit 1",
    ],
)
def test_analyst_and_official_cannot_read_raw_vault_or_an_unmasked_text(
    demo: Home, role: str, query: str
) -> None:
    with (
        psycopg.connect(warehouse_of(demo.settings).url(role)) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(query.encode())


def test_an_official_reads_marts_and_no_single_case(demo: Home) -> None:
    with psycopg.connect(warehouse_of(demo.settings).url("official")) as connection:
        assert connection.execute("select count(*) from marts.mart_agency_rating").fetchone()
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("select text_masked from marts.fct_appeals limit 1")


def test_no_phone_or_address_of_mail_is_left_in_a_masked_text(demo: Home) -> None:
    pattern = r"(\+7|\m8)[ (-]*\d{3}[ )-]*\d{3}[ -]*\d{2}[ -]*\d{2}|[\w.]+@[\w.]+\.\w{2,}"
    texts = demo.number("select count(*) from marts.fct_appeals where text_masked is not null")
    assert texts > 0
    leaks = f"select count(*) from marts.fct_appeals where text_masked ~ '{pattern}'"
    assert demo.number(leaks) == 0


def test_a_failing_critical_check_stops_what_is_downstream(demo: Home) -> None:
    settings = demo.settings
    client = AirflowClient(settings.airflow_url, settings.credentials.airflow["admin"])
    before = client.latest_run("quality")
    assert before is not None
    with psycopg.connect(warehouse_of(settings).url("owner"), autocommit=True) as connection:
        # A row that no load wrote, without a payload: exactly what a critical check of raw is for.
        (raw_id,) = connection.execute(
            "insert into raw.pos_messages (record_key, source_code, region_code, native_id, "
            "payload, record, payload_hash, observed_at, load_id) select gen_random_uuid(), "
            "source_code, 'nowhere', 'x', '[]', '{}', payload_hash, observed_at, load_id "
            "from raw.pos_messages limit 1 returning raw_id"
        ).fetchone()  # type: ignore[misc]
        try:
            run_id = client.trigger("warehouse", {})
            run = ended_run(client, "warehouse", run_id)
        finally:
            connection.execute("delete from raw.pos_messages where raw_id = %s", [raw_id])
    tasks = {task["task_id"]: task["state"] for task in client.tasks("warehouse", run_id)}
    assert run["state"] == "failed"
    assert tasks["check_raw"] == "failed"
    assert tasks["enrich"] == "upstream_failed"
    assert tasks["before_enrichment"] == "upstream_failed"
    assert tasks["after_enrichment"] == "upstream_failed"
    after = client.latest_run("quality")
    assert after is not None
    assert after["dag_run_id"] == before["dag_run_id"]


def test_after_a_power_cut_it_starts(demo: Home) -> None:
    cases = demo.number("select count(*) from marts.fct_appeals")
    pids = [one["pid"] for one in demo.status()["services"]]
    family = [
        member
        for pid in pids
        for member in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True))
    ]
    for process in family:
        process.kill()
    psutil.wait_procs(family, timeout=30)
    assert not any(one["is_healthy"] for one in demo.status()["services"])
    demo.run("up")
    assert all(one["is_healthy"] for one in demo.status()["services"])
    assert demo.number("select count(*) from marts.fct_appeals") == cases


def test_the_home_holds_everything_that_runs(demo: Home) -> None:
    status = demo.status()
    location = demo.folder / "postgres.location"
    roots = [str(demo.folder)] + ([location.read_text().strip()] if location.exists() else [])
    for service in status["services"]:
        assert any(Path(service["log"]).is_relative_to(root) for root in roots), service
