"""Marts of space and time against an independent computation, and what they owe to people."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from itertools import product
from pathlib import Path
from random import Random
from typing import Any

import psycopg
import pytest
from dbt_runs import Dbt, Query
from raw_rows import RawRows
from test_dbt_reference import AS_OF, land, pseudonym

from ingestion.sandbox.truth import write_truth
from ingestion.sandbox.world import build_world
from stack.database import Warehouse
from tests.reference.marts_reference import Reference
from tests.reference.space_reference import Space, compare, published, signals, understood

pytestmark = [pytest.mark.server, pytest.mark.slow]

MINE = ("+marts.problems", "+marts.signals", "+marts.statistics")
# A city with a register of its own: months of quiet days, bursts, a week without a single load.
CITY = "boston"
FIRST, LAST = date(2015, 3, 2), date(2016, 1, 12)
OUTAGE = frozenset(date(2015, 9, 7) + timedelta(days=n) for n in range(7))
BURSTS = {
    date(2015, 3, 10): 9,
    date(2015, 6, 1): 7,
    date(2015, 6, 3): 11,
    date(2015, 9, 9): 20,
    date(2015, 9, 15): 8,
    date(2015, 11, 24): 30,
    date(2015, 11, 25): 26,
    date(2016, 1, 12): 12,
}


def quiet_and_loud_days() -> dict[date, int]:
    """Messages a day: some as every week, some as chance has it, and the bursts."""
    rng = Random(7)
    counts = {}
    day = FIRST
    while day <= LAST:
        counts[day] = BURSTS.get(day, rng.choice((0, 0, 1, 1, 2, 3)))
        day += timedelta(days=1)
    return counts


def land_city(warehouse: Warehouse) -> dict[date, int]:
    """One series of the city, loaded in two windows with a week between them."""
    counts = quiet_and_loud_days()
    rows = RawRows()
    for day, number in counts.items():
        for ordinal in range(number):
            rows.add(
                "boston_311_2015",
                CITY,
                f"{day}-{ordinal}",
                kind="request",
                received_at=f"{day}T{9 + ordinal % 10:02d}:{ordinal:02d}:00-05:00",
            )
    rows.write(warehouse.url("loader"))
    with psycopg.connect(warehouse.url("loader")) as connection:
        connection.execute(
            "update ops.loads set window_from = '2015-03-02T00:00:00-05:00',"
            " window_to = '2015-09-07T00:00:00-04:00' where source_code = 'boston_311_2015'"
        )
        connection.execute(
            "insert into ops.loads (run_id, source_code, entity, region_code, finished_at, outcome,"
            " window_from, window_to) values ('later', 'boston_311_2015', 'boston_311_2015', %s,"
            " now(), 'success', '2015-09-14T00:00:00-04:00', '2016-01-13T08:00:00-05:00'),"
            # What failed, what was withdrawn and what was replayed tells of no day.
            " ('failed', 'boston_311_2015', 'boston_311_2015', %s, now(), 'failed',"
            " '2015-09-01T00:00:00-04:00', '2015-09-20T00:00:00-04:00'),"
            " ('replay-1', 'boston_311_2015', 'boston_311_2015', %s, now(), 'success',"
            " '2015-09-01T00:00:00-04:00', '2015-09-20T00:00:00-04:00')",
            [CITY, CITY, CITY],
        )
    return counts


def add_lumps(folder: Path) -> None:
    """In a place of each region three people a week write of one thing, and nobody answers.

    Two thousand cases of five regions are too thin for a list of problems to be formed from.
    """
    lines = (folder / "cases.jsonl").read_text(encoding="utf-8").splitlines()
    models: dict[str, dict[str, Any]] = {}
    for case in map(json.loads, lines):
        is_plain = case["is_case"] and not case["duplicate_of"] and not case["is_bad"]
        if case["source_code"] == "municipal_register" and is_plain:
            models.setdefault(case["region_code"], case)
    with (folder / "cases.jsonl").open("a", encoding="utf-8") as file:
        for case in models.values():
            zone = datetime.fromisoformat(case["received_at"]).tzinfo
            for week, ordinal in product(range(4), range(3)):
                begun = datetime(2026, 2, 2 + 7 * week, 10, ordinal, tzinfo=zone)
                due = begun + timedelta(days=5)
                cycle = {
                    **case["cycles"][0],
                    "opened_at": begun.isoformat(),
                    "due_at": due.isoformat(),
                    "source_due_at": due.isoformat(),
                    "closed_at": None,
                }
                clone = {
                    **case,
                    "native_id": f"lump-{week}-{ordinal}",
                    "received_at": begun.isoformat(),
                    "text": f"Третью неделю не работает, {week} раз писали, сосед {ordinal} тоже",
                    "address": None,
                    "applicant_id": f"lump-{ordinal}",
                    "outcome": "open",
                    "is_deleted_at_source": False,
                    "cycles": [cycle],
                }
                file.write(json.dumps(clone, ensure_ascii=False) + "\n")


@pytest.fixture(scope="module")
def space(warehouse: Warehouse, dbt: Dbt, query: Query, tmp_path_factory: Any) -> Space:
    """The sandbox landed and built, and the same counted in Python."""
    folder: Path = tmp_path_factory.mktemp("truth")
    write_truth(build_world(seed=11, as_of=AS_OF, cases=2000), folder)
    add_lumps(folder)
    rows = RawRows()
    reference = Reference(folder, AS_OF, {})
    land(rows, reference, reference.records)
    populations = [
        json.loads(line)
        for line in (folder / "populations.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    for row in populations:
        rows.add(
            "populations",
            row["region_code"],
            row["native_id"],
            municipality=row["municipality"],
            oktmo=row["municipality_code"],
            year=row["year"],
            population=row["population"],
        )
    rows.write(warehouse.url("loader"))
    land_city(warehouse)
    dbt("build", "--quiet", "--exclude-resource-type", "test", "unit_test", "--select", *MINE)
    applicants = {key: pseudonym(case) for key, case in reference.cases.items()}
    return Space(reference, understood(query), applicants, populations)


def told(found: list[str]) -> str:
    return f"{len(found)} cells differ:\n" + "\n".join(found[:20])


def number(value: Any) -> float | None:
    return None if value is None else float(value)


NAMES = ("overdue_open_share", "reopen_share", "severity_share")


def test_every_cell_of_the_heat_map_equals_an_independent_computation(
    space: Space, query: Query
) -> None:
    rows = query(
        "select region_code, municipality_code, block_code, week_start, problems, cases,"
        f" heat_index, overdue_open, {', '.join(NAMES)} from marts.mart_problem_heatmap"
        " where region_code <> 'boston'"
    )
    cells = space.cells("week")
    indices = space.indices("week")
    theirs = {}
    for cell, week in cells.keys() | indices.keys():
        counts = space.tally(cells.get((cell, week), ()))
        theirs[*cell, week] = (
            *(counts["problems"], counts["cases"], published(indices.get((cell, week)))),
            *(counts["overdue_open"], *(published(counts[name]) for name in NAMES)),
        )
    ours = {
        row[:4]: (row[4], row[5], number(row[6]), row[7], *map(number, row[8:])) for row in rows
    }
    assert len(ours) > 10_000
    assert sum(row[1] for row in ours.values()) == len(space.cases)
    found = list(compare("heat map", ours, theirs))
    assert found == [], told(found)


def test_the_list_of_regional_problems_is_formed_from_the_same_weeks(
    space: Space, query: Query
) -> None:
    rows = query(
        "select region_code, municipality_code, block_code, problems, cases, hot_weeks,"
        " is_by_overdue from marts.mart_regional_problems where region_code <> 'boston'"
    )
    ours = {row[:3]: row[3:] for row in rows}
    theirs = {
        cell: tuple(counts[name] for name in ("problems", "cases", "hot_weeks", "is_by_overdue"))
        for cell, counts in space.regional_problems().items()
    }
    assert len(theirs) >= 5
    found = list(compare("regional problem", ours, theirs))
    assert found == [], told(found)


def test_the_overview_and_the_priorities_equal_an_independent_computation(
    space: Space, query: Query
) -> None:
    whole = ("problems", "cases", "people", "open_cases", "overdue_open", "rated")
    shares = (*NAMES[:2], "satisfaction_share", "growth_share", "heat_index")
    rows = query(
        f"select region_code, municipality_code, block_code, month_date, {', '.join(whole)},"
        f" {', '.join(shares)} from marts.mart_problem_overview where region_code <> 'boston'"
    )
    ours = {row[:4]: (*row[4:10], *map(number, row[10:])) for row in rows}
    theirs = {
        (*cell, month): (
            *(counts[name] for name in whole),
            *(published(counts[name]) for name in shares),
        )
        for (cell, month), counts in space.overview().items()
    }
    assert len(ours) > 500
    found = list(compare("overview", ours, theirs))
    assert found == [], told(found)
    scores = {
        row[:4]: row[4]
        for row in query(
            "select region_code, municipality_code, block_code, month_date, priority_score"
            " from marts.mart_priorities where region_code <> 'boston'"
        )
    }
    expected = {(*cell, month): score for (cell, month), score in space.priorities().items()}
    assert scores.keys() == expected.keys()
    assert len(scores) > 300
    far = [
        f"{key}: {scores[key]} against {score}"
        for key, score in expected.items()
        if (score is None) != (scores[key] is None)
        or (score is not None and abs(float(scores[key]) - float(score)) > 0.0503)
    ]
    assert far == [], told(far)


def test_coverage_of_topics_equals_an_independent_count(space: Space, query: Query) -> None:
    names = ("cases", "with_block", "other", "unknown", "decided_by_source", "decided_by_model")
    rows = query(
        f"select region_code, source_code, month_date, {', '.join(names)}"
        " from marts.mart_topic_coverage where region_code <> 'boston'"
    )
    theirs = {
        key: tuple(counts[name] for name in names) for key, counts in space.coverage().items()
    }
    assert len(theirs) > 200
    found = list(compare("coverage", {row[:3]: row[3:] for row in rows}, theirs))
    assert found == [], told(found)


def test_cases_add_up_and_people_are_exact_in_every_slice(space: Space, query: Query) -> None:
    ours = {
        row[:7]: row[7:]
        for row in query(
            "select period_kind, period_start, region_code, dimension_a, value_a, dimension_b,"
            " value_b, cases, people from marts.agg_appeals_people where region_code <> 'boston'"
        )
    }
    slices = space.slices()
    theirs = {key: (cases, len(people)) for key, (cases, people) in slices.items()}
    assert len(theirs) > 50_000
    # Somebody wrote twice in a slice: otherwise cases would do for people.
    assert sum(cases > people for cases, people in theirs.values()) > 500
    found = list(compare("slice", ours, theirs))
    assert found == [], told(found)
    assert query("select sum(cases) from marts.agg_appeals_cube where region_code <> 'boston'") == [
        (len(space.cases),)
    ]


def test_flags_that_a_history_decides_equal_an_independent_count(
    space: Space, query: Query
) -> None:
    rows = query(
        "select appeals.region_code, appeals.source_code, appeals.native_id, flags.rule_code,"
        " flags.flagged_date from marts.fct_communication_flags as flags"
        " inner join marts.fct_appeals as appeals on flags.case_id = appeals.case_id"
        " where flags.rule_code in ('C1', 'C2', 'E6')"
    )
    ours = {(row[:3], row[3]): row[4] for row in rows}
    theirs = space.flags()
    assert len(theirs) > 10
    found = list(compare("flag", ours, theirs))
    assert found == [], told(found)


def test_spikes_equal_a_walk_from_day_to_day_with_an_outage(space: Space, query: Query) -> None:
    walked, suspended = signals(quiet_and_loud_days(), OUTAGE, FIRST, LAST)
    assert any(one.is_critical for one in walked)
    assert any(one.closed is None for one in walked)
    assert {day for day in suspended if day in OUTAGE}
    assert {day for day in suspended if day not in OUTAGE}
    rows = query(
        "select opened_date, closed_date, signal_level from marts.mart_risk_signals"
        " where region_code = 'boston' and signal_state in ('открыт', 'закрыт')"
        " order by opened_date"
    )
    assert rows == [
        (one.opened, one.closed, "критический" if one.is_critical else "тревога") for one in walked
    ]
    assert query(
        "select opened_date from marts.mart_risk_signals where region_code = 'boston'"
        " and signal_state = 'приостановлен' order by 1"
    ) == [(day,) for day in suspended]


def test_a_decision_outlives_a_rebuild_that_moves_its_signal(
    space: Space, query: Query, warehouse: Warehouse, dbt: Dbt
) -> None:
    key, opened = query(
        "select signal_key, opened_date from marts.mart_risk_signals"
        " where region_code = 'boston' and signal_state = 'закрыт' order by opened_date limit 1"
    )[0]
    gone = key.replace(str(opened), "2015-08-01")
    rows = RawRows()
    for signal_key, decision in ((key, "Принят в работу"), (gone, "Ложный сигнал")):
        rows.add(
            "risk_decisions",
            CITY,
            signal_key,
            signal_key=signal_key,
            decision=decision,
            proposal="Сообщить сроки",
            decided_at="2015-12-01T10:00:00-05:00",
        )
    # Late data: the day before was loud as well, so the signal opens a day earlier.
    before = opened - timedelta(days=1)
    for ordinal in range(25):
        rows.add(
            "boston_311_2015",
            CITY,
            f"late-{ordinal}",
            kind="request",
            received_at=f"{before}T10:{ordinal:02d}:00-05:00",
        )
    rows.write(warehouse.url("loader"))
    with psycopg.connect(warehouse.url("loader")) as connection:
        connection.execute(
            "update ops.loads set window_from = now(), window_to = now()"
            " where source_code = 'boston_311_2015' and window_from is null"
        )
    only = ("--exclude-resource-type", "test", "unit_test", "--select", "+mart_risk_signals")
    dbt("build", "--quiet", *only)
    decided = query(
        "select opened_date, signal_state, decision, proposal from marts.mart_risk_signals"
        " where region_code = 'boston' and decision is not null order by decision"
    )
    assert decided == [
        (date(2015, 8, 1), "снят пересчётом", "Ложный сигнал", "Сообщить сроки"),
        (before, "закрыт", "Принят в работу", "Сообщить сроки"),
    ]
