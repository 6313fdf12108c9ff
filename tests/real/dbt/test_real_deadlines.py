"""A real register with the city's own verdicts, through the loader and the models.

What is expected is read from the file by the standard library alone.
"""

from __future__ import annotations

import csv
from collections import Counter
from datetime import datetime
from pathlib import Path

import pytest
from dbt_runs import Dbt, Query

from ingestion.ingest import ingest, prepare_sources
from ingestion.source import SOURCES_FOLDER, load_source
from stack.database import Warehouse

pytestmark = [pytest.mark.real, pytest.mark.server, pytest.mark.slow]

VAULT_KEY = "dGVzdC1rZXktb2YtdGhlLXZhdWx0LTMyLWJ5dGVzISE="
MOMENT = "%m/%d/%Y %I:%M:%S %p"
# When the register was taken, local time of the city; the seed `regions` says the same.
TAKEN = datetime(2016, 1, 13, 8)
# The states of the mart as the city names them: an open case whose term lies ahead is on time.
VERDICT = {"on_time": "ONTIME", "open": "ONTIME", "late": "OVERDUE", "overdue_open": "OVERDUE"}


@pytest.fixture(scope="module")
def register(real_data: Path) -> dict[str, dict[str, str]]:
    path = real_data / "municipal" / "boston_311_2015.csv"
    with path.open(encoding="utf-8-sig", newline="") as file:
        return {row["CASE_ENQUIRY_ID"]: row for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def built(warehouse: Warehouse, dbt: Dbt, real_data: Path) -> Dbt:
    """The register, loaded as the public command does, and the marts of deadlines."""
    source = load_source(SOURCES_FOLDER / "boston_311_2015.yml", {"TSUR_DATA": str(real_data)})
    prepare_sources(warehouse.url("loader"), [source])
    ingest(source, database_url=warehouse.url("loader"), vault_key=VAULT_KEY, run_id="real")
    dbt("build", "--quiet", "--exclude-resource-type", "test", "unit_test")
    return dbt


def moment(text: str) -> datetime:
    return datetime.strptime(text, MOMENT)


def test_every_verdict_of_the_city_is_ours(
    built: Dbt, query: Query, register: dict[str, dict[str, str]]
) -> None:
    rows = query(
        "select native_id, deadline_status, source_verdict, is_verdict_mismatch"
        " from marts.fct_deadlines where source_code = 'boston_311_2015'"
    )
    assert {row[0] for row in rows} == register.keys()
    compared: Counter[str] = Counter()
    wrong = []
    for number, status, verdict, is_mismatch in rows:
        city = register[number]
        assert verdict == city["OnTime_Status"]
        if not city["TARGET_DT"]:
            assert (status, is_mismatch) == ("undefined", None), number
        elif not verdict:
            assert is_mismatch is None, number
        elif VERDICT.get(status) != verdict or is_mismatch is not False:
            wrong.append((number, status, verdict, is_mismatch))
        else:
            compared["closed" if city["CLOSED_DT"] else "open"] += 1
    assert wrong == []
    with_verdict = [r for r in register.values() if r["TARGET_DT"] and r["OnTime_Status"]]
    assert compared.total() == len(with_verdict) > 15_000
    assert compared["open"] > 0


def test_cases_without_a_verdict_are_judged_by_the_same_rule(
    built: Dbt, query: Query, register: dict[str, dict[str, str]]
) -> None:
    empty = {
        number: row
        for number, row in register.items()
        if row["TARGET_DT"] and not row["OnTime_Status"]
    }
    found = dict(
        query(
            "select native_id, deadline_status from marts.fct_deadlines"
            " where source_code = 'boston_311_2015' and source_verdict = '' and due_at is not null"
        )
    )
    assert found.keys() == empty.keys() != set()
    for number, row in empty.items():
        target = moment(row["TARGET_DT"])
        if not row["CLOSED_DT"]:
            expected = "overdue_open" if target < TAKEN else "open"
        else:
            expected = "on_time" if moment(row["CLOSED_DT"]) <= target else "late"
        assert found[number] == expected, number


def test_the_mart_counts_every_case_of_the_city_once(
    built: Dbt, query: Query, register: dict[str, dict[str, str]]
) -> None:
    ((cycles, cohort, on_time, undefined, mismatches, compared, listed, label),) = query(
        "select sum(cycles), sum(due_cohort), sum(on_time), sum(undefined),"
        " sum(source_verdict_mismatches), sum(source_verdicts_compared),"
        " sum(cardinality(case_ids)), max(module_label)"
        " from marts.mart_deadline_compliance where region_code = 'boston'"
    )
    due = [row for row in register.values() if row["TARGET_DT"]]
    ended = [row for row in due if moment(row["TARGET_DT"]) <= TAKEN]
    closed = [row for row in ended if row["CLOSED_DT"]]
    kept = sum(moment(row["CLOSED_DT"]) <= moment(row["TARGET_DT"]) for row in closed)
    assert cycles == len(register)
    assert undefined == len(register) - len(due)
    assert on_time == kept
    # Late or overdue is the rest.
    assert cohort == len(ended)
    assert listed == cohort - on_time
    assert (mismatches, compared) == (0, sum(1 for row in due if row["OnTime_Status"]))
    assert label == "вне положения"
