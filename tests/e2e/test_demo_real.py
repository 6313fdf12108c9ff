"""Real files through the same DAGs; every expectation is counted here, from the files."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from tests.e2e.conftest import Home

pytestmark = [pytest.mark.e2e, pytest.mark.real, pytest.mark.timeout(1500)]


def rows_of(path: Path, separator: str = ",") -> Iterator[dict[str, str]]:
    csv.field_size_limit(10_000_000)
    with path.open(encoding="utf-8-sig", newline="") as file:
        yield from csv.DictReader(file, delimiter=separator)


def cases_of(home: Home, source_code: str) -> int:
    return home.number(
        f"select count(*) from marts.fct_appeals where source_code = '{source_code}'"
    )


def test_every_row_of_perm_lands_though_it_has_neither_key_nor_date(
    demo_real: Home, real_data: Path
) -> None:
    expected = sum(1 for _ in rows_of(real_data / "appeals" / "perm_incidents.csv", ";"))
    assert cases_of(demo_real, "perm_incidents") == expected
    dated = "source_code = 'perm_incidents' and (has_date or received_at is not null)"
    assert demo_real.number(f"select count(*) from marts.fct_appeals where {dated}") == 0
    ledger = "source_code = 'perm_incidents' and not has_date"
    assert (
        demo_real.number(f"select count(*) from marts.mart_case_ledger where {ledger}") == expected
    )


def test_every_message_of_kursk_lands_once(demo_real: Home, real_data: Path) -> None:
    numbers = {row["id"] for row in rows_of(real_data / "appeals" / "kursk_messages.csv")}
    assert cases_of(demo_real, "kursk_messages") == len(numbers)


def test_the_deadline_mart_gives_the_citys_own_verdict_for_every_case_of_boston(
    demo_real: Home, real_data: Path
) -> None:
    register = {
        row["CASE_ENQUIRY_ID"]: row
        for row in rows_of(real_data / "municipal" / "boston_311_2015.csv")
    }
    built = {
        row["native_id"]: row
        for row in demo_real.sql(
            "select native_id, deadline_status, source_verdict, closed_at is not null as is_closed "
            "from marts.fct_deadlines where source_code = 'boston_311_2015'"
        )
    }
    assert built.keys() == register.keys()
    compared: Counter[str] = Counter()
    wrong = []
    for native_id, row in register.items():
        assert built[native_id]["source_verdict"] == row["OnTime_Status"], native_id
        if not row["TARGET_DT"] or not row["OnTime_Status"]:
            continue
        status = built[native_id]["deadline_status"]
        verdict = {"on_time": "ONTIME", "open": "ONTIME"}.get(status, "OVERDUE")
        if status == "undefined" or verdict != row["OnTime_Status"]:
            wrong.append((native_id, status, row["OnTime_Status"]))
        compared["closed" if row["CLOSED_DT"] else "open"] += 1
    assert wrong == []
    assert min(compared["closed"], compared["open"]) > 0


def test_the_report_lists_empty_verdicts_and_negative_durations_and_they_land(
    demo_real: Home, real_data: Path
) -> None:
    moment = "%m/%d/%Y %I:%M:%S %p"
    register = list(rows_of(real_data / "municipal" / "boston_311_2015.csv"))
    empty = sum(1 for row in register if row["TARGET_DT"] and not row["OnTime_Status"])
    negative = sum(
        1
        for row in register
        if row["CLOSED_DT"]
        and datetime.strptime(row["CLOSED_DT"], moment) < datetime.strptime(row["OPEN_DT"], moment)
    )
    found = {
        row["check_code"]: int(float(row["unexpected_count"] or 0))
        for row in demo_real.sql(
            "select check_code, max(unexpected_count) as unexpected_count from audit.check_results "
            "where severity = 'finding' and stage_is_marts group by check_code".replace(
                "stage_is_marts", "suite like '%marts%'"
            ),
            role="auditor",
        )
    }
    assert empty in found.values(), found
    assert negative in found.values(), found
    report = (demo_real.folder / "pages" / "quality" / "index.html").read_text(encoding="utf-8")
    for code, count in found.items():
        if count in {empty, negative}:
            assert code in report


def test_the_polls_leave_each_request_once_each_change_once_and_what_vanished(
    demo_real: Home, real_data: Path
) -> None:
    listed: dict[int, None] = {}
    versions = set()
    seen: set[int] = set()
    vanished = 0
    for path in sorted((real_data / "municipal" / "fixmystreet_polls").glob("*.json")):
        requests = json.loads(path.read_text(encoding="utf-8"))["service_requests"]
        now = {request["service_request_id"] for request in requests}
        vanished += len(seen - now)
        seen = now
        for request in requests:
            listed[request["service_request_id"]] = None
            versions.add(json.dumps(request, sort_keys=True))
    assert cases_of(demo_real, "fixmystreet_polls") == len(listed)
    loads = demo_real.sql(
        "select sum(rows_landed) as landed, sum(rows_tombstoned) as gone from ops.loads "
        "where source_code = 'fixmystreet_polls' and outcome = 'success'",
        role="auditor",
    )
    assert loads == [{"landed": str(len(versions)), "gone": str(vanished)}]
    gone = "source_code = 'fixmystreet_polls' and is_deleted"
    assert demo_real.number(f"select count(*) from marts.fct_appeals where {gone}") == vanished


def test_every_comment_of_chelyabinsk_is_accounted_for(demo_real: Home, real_data: Path) -> None:
    numbers = {row["id"] for row in rows_of(real_data / "posts" / "chelyabinsk_comments.csv")}
    query = "select count(*) from marts.mart_case_ledger where source_code = 'chelyabinsk_comments'"
    assert demo_real.number(query) == len(numbers)


def test_every_item_that_vk_answered_has_landed_or_says_why_not(
    demo_real: Home, real_data: Path
) -> None:
    items = 0
    for path in (real_data / "posts" / "vk_api_responses").glob("*.json"):
        response = json.loads(path.read_text(encoding="utf-8", errors="replace"))["response"]
        listed = response if isinstance(response, list) else response.get("items", [response])
        items += len(listed)
    (counts,) = demo_real.sql(
        "select sum(rows_read) as read, sum(rows_landed) as landed, "
        "sum(rows_quarantined) as quarantined from ops.loads "
        "where source_code = 'vk_api_responses' and outcome = 'success'",
        role="auditor",
    )
    assert int(counts["read"]) == items
    assert int(counts["landed"]) + int(counts["quarantined"]) == items
    reasons = demo_real.sql(
        "select reason from ops.quarantine where source_code = 'vk_api_responses'", role="auditor"
    )
    assert len(reasons) == int(counts["quarantined"])
    assert all(row["reason"] for row in reasons)


def test_what_was_read_is_landed_unchanged_or_in_quarantine(demo_real: Home) -> None:
    (row,) = demo_real.sql(
        "select count(*) as loads, count(*) filter (where rows_read <> rows_landed "
        "+ rows_unchanged + rows_quarantined) as broken from ops.loads where outcome = 'success'",
        role="auditor",
    )
    assert int(row["loads"]) > 0
    assert row["broken"] == "0"


def test_no_name_of_a_person_who_reported_lands_in_the_clear(
    demo_real: Home, real_data: Path
) -> None:
    import psycopg

    from stack.airflow_services import warehouse_of

    names = {
        request["requestor_name"]
        for path in (real_data / "municipal" / "fixmystreet_polls").glob("*.json")
        for request in json.loads(path.read_text(encoding="utf-8"))["service_requests"]
        if request.get("requestor_name")
    }
    assert names
    with psycopg.connect(warehouse_of(demo_real.settings).url("loader")) as connection:
        rows = connection.execute(
            "select payload ->> 'requestor_name' from raw.fixmystreet_polls "
            "where payload ? 'requestor_name'"
        ).fetchall()
    assert rows
    assert not names & {row[0] for row in rows}
