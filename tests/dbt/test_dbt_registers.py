"""The marts over the registers that people keep, against an independent computation."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

import pytest
from dbt_runs import Dbt, Query
from raw_rows import RawRows
from register_rows import RegisterRow, register_rows
from test_dbt_reference import AS_OF, land

from ingestion.sandbox.regions import REGIONS
from ingestion.sandbox.truth import write_truth
from ingestion.sandbox.world import build_world
from stack.database import Warehouse
from tests.reference.marts_reference import Reference, attributes_of
from tests.reference.registers_reference import Mart, Registers, differences, effect

pytestmark = [pytest.mark.server, pytest.mark.slow]

MINE = (
    "marts.registers",
    "intermediate.before_enrichment.registers",
    "intermediate.after_enrichment.registers",
)
# A region without a sandbox, for measures whose cases are counted by hand.
APART = "kursk"
COMPLETED = date(2026, 1, 15)
# Cases before and after: too few, none afterwards, one, as many, fewer, more, many.
COUNTS = ((9, 30), (10, 0), (10, 1), (11, 3), (25, 25), (12, 40), (200, 150), (900, 1100))
# Marks the rows of `corrections` that a test made.
DRILL = "учение"
# The wall that the sandbox's government of the region writes on.
OWN_WALL = {
    code: next(wall for wall in region.walls if wall.is_body) for code, region in REGIONS.items()
}


def linked_pages(rows: list[RegisterRow]) -> Iterator[RegisterRow]:
    """A page of each region whose address tells the number of its community."""
    for region, wall in OWN_WALL.items():
        page = next(r for r in rows if r.table == "official_pages" and r.region_code == region)
        address = f"https://vk.com/club{-wall.owner_id}"
        yield RegisterRow(
            "official_pages", region, address, {**page.record, "platform": "vk", "title": wall.name}
        )


def corrections(reference: Reference) -> Iterator[RegisterRow]:
    """Decisions about messages of one region that its own labels and places do not say."""
    messages = [
        case
        for (region, source, _), case in reference.cases.items()
        if (region, source) == ("pskov", "pos")
        and case["block_code"] != "ENERGY"
        and case["municipality_code"] != "58701000"
    ]
    # About the same place, so that one house is one object.
    messages[6] = next(
        case
        for case in messages[7:]
        if case["municipality_code"] == messages[5]["municipality_code"]
    )
    decided = AS_OF - timedelta(days=1)
    for case, field, value, at in (
        (messages[0], "block", "Электроэнергетика", decided),
        (messages[0], "municipality", "Город  Псков", decided),
        (messages[1], "municipality", "город Псков", AS_OF),
        (messages[2], "block", "Космос", decided),
        (messages[3], "municipality", "город Тамбов", decided),
        (messages[4], "block", "Энергетика", AS_OF + timedelta(seconds=1)),
        (messages[5], "address", "Псков, ул. Испытателей, 77", decided),
        (messages[6], "address", "Псков, Испытателей улица, д. 77", decided),
    ):
        number = case["native_id"]
        yield RegisterRow(
            "corrections",
            "pskov",
            f"{number}_{field}_{DRILL}",
            {
                "case_source": "Платформа обратной связи",
                "case_native_id": number,
                "field": field,
                "new_value": value,
                "decided_at": at.isoformat(),
            },
        )


def land_effects(rows: RawRows) -> None:
    """Measures done on one day, each with a topic of its own and its cases around that day."""
    for number, (before, after) in enumerate(COUNTS):
        topic = f"Тема {number}"
        rows.add(
            "measures",
            APART,
            f"М-{number}",
            title="Мера",
            kind="corrective",
            cause="Причина",
            topic=topic.upper(),
            block="Дороги",
            body="Комитет",
            state="done",
            due_on="2026-01-20",
            started_on="2026-01-01",
            completed_on=COMPLETED.isoformat(),
        )
        distances = [-1 - place % 28 for place in range(before)]
        distances += [1 + place % 28 for place in range(after)]
        # The day itself and the 29th day on either side count for nothing.
        for place, distance in enumerate((*distances, 0, -29, 29)):
            day = COMPLETED + timedelta(days=distance)
            rows.add(
                "municipal_register",
                APART,
                f"{number}-{place}",
                kind="appeal",
                received_at=f"{day}T12:00:00+03:00",
                is_closed=False,
                topic=topic,
            )


@pytest.fixture(scope="module")
def registers(
    warehouse: Warehouse, dbt: Dbt, query: Query, tmp_path_factory: pytest.TempPathFactory
) -> Registers:
    """What the sandbox keeps, in the warehouse and in the reference."""
    folder = tmp_path_factory.mktemp("truth")
    world = build_world(seed=11, as_of=AS_OF, cases=2000)
    write_truth(world, folder)
    kept = register_rows(world)
    kept += linked_pages(kept)
    rows = RawRows()
    reference = Reference(folder, AS_OF, {})
    land(rows, reference, reference.records)
    kept += corrections(reference)
    for row in kept:
        rows.add(row.table, row.region_code, row.native_id, **row.record)
    withdrawn = next(row for row in kept if row.native_id.endswith(DRILL))
    # Taken out of the register again: as if it had never been.
    other = RegisterRow(
        "corrections",
        "pskov",
        f"withdrawn_{DRILL}",
        {**withdrawn.record, "new_value": "Дороги", "decided_at": AS_OF.isoformat()},
    )
    rows.add(other.table, other.region_code, other.native_id, **other.record, is_deleted=True)
    land_effects(rows)
    rows.write(warehouse.url("loader"))
    dbt("build", "--quiet", "--exclude-resource-type", "test", "unit_test")
    dbt("test", "--quiet", "--exclude-resource-type", "unit_test", "--select", *MINE)
    return Registers(kept, AS_OF, Reference(folder, AS_OF, attributes_of(query)))


def equal(mart: Mart, query: Query, table: str, key: tuple[str, ...], where: str = "true") -> None:
    where = f"region_code <> '{APART}' and {where}"
    found = differences(mart, query, table, key, where)
    assert found == [], f"{len(found)} cells differ:\n" + "\n".join(found[:20])


def test_votes_equal_the_register(registers: Registers, query: Query) -> None:
    mart = registers.votes()
    assert {row["vote_state"] for row in mart.values()} == {"идёт", "завершено"}
    assert sum(row["leading_share"] is not None for row in mart.values()) > 50
    equal(mart, query, "mart_votes", ("region_code", "vote_number"))


def test_answers_of_surveys_equal_the_register(registers: Registers, query: Query) -> None:
    mart = registers.surveys()
    assert len({row["agreement_state"] for row in mart.values()}) == 2
    assert sum(row["satisfied_share"] is not None for row in mart.values()) > 200
    key = ("region_code", "survey_number", "question_number", "answer_number")
    equal(mart, query, "mart_surveys", key)


def test_pages_equal_the_register_and_the_walls_that_are_read(
    registers: Registers, query: Query
) -> None:
    mart = registers.pages()
    assert sum(bool(row["posts_28d"]) for row in mart.values()) == len(OWN_WALL)
    assert any(row.get("messages_28d") for row in mart.values())
    key = ("region_code", "body_code", "platform_code", "page_address")
    equal(mart, query, "mart_official_pages", key)


def test_projects_with_their_risks_equal_the_registers(registers: Registers, query: Query) -> None:
    mart = registers.projects()
    assert {row["state_code"] for row in mart.values()} >= {"active", "done", "suspended"}
    assert sum(row["heavy_risks"] for row in mart.values()) > 5
    assert any(row["is_late"] for row in mart.values())
    assert any(row["stages_late"] for row in mart.values())
    equal(mart, query, "mart_projects", ("region_code", "project_code"))


def test_stages_of_projects_equal_the_register(registers: Registers, query: Query) -> None:
    mart = registers.stages()
    assert {row["state_code"] for row in mart.values()} == {
        *("planned", "active", "done", "late", "cancelled")
    }
    assert any(row["is_completed_late"] for row in mart.values())
    equal(mart, query, "mart_project_stages", ("region_code", "project_code", "stage_number"))


def test_risks_of_projects_equal_the_register(registers: Registers, query: Query) -> None:
    mart = registers.risks()
    assert {row["state_code"] for row in mart.values()} == {"open", "mitigated", "closed"}
    assert {row["risk_level"] for row in mart.values()} == {"высокий", "средний", "низкий"}
    assert any(row["decision"] for row in mart.values())
    equal(mart, query, "mart_project_risks", ("region_code", "project_code", "risk_number"))


def test_what_an_operator_decided_goes_before_the_source(
    registers: Registers, query: Query
) -> None:
    expected = registers.corrected()
    told = {
        field: {
            (region, source, number): code
            for region, source, number, code in query(
                f"select region_code, source_code, native_id, {field}_code from marts.fct_appeals"
                f" where {field}_decided_by = 'operator'"
            )
        }
        for field in ("block", "municipality")
    }
    assert "ENERGY" in expected["block"].values()
    assert len(expected["municipality"]) > 5
    assert told == expected
    assert query("select sum(decided_by_operator)::int from marts.mart_topic_coverage") == [
        (len(expected["block"]),)
    ]


def test_a_corrected_address_says_which_house_a_case_is_about(query: Query) -> None:
    assert query(
        "select object_kind, street_name, count(*), count(distinct object_key)"
        " from marts.fct_appeals where street_name = 'Испытателей'"
        " group by object_kind, street_name"
    ) == [("house", "Испытателей", 2, 1)]


def test_a_correction_that_names_nothing_known_is_told_and_changes_nothing(
    query: Query,
) -> None:
    told = query(
        "select new_value, problem_name, block_decided_by, municipality_decided_by"
        " from intermediate.int_corrections inner join marts.fct_appeals using (case_id)"
        " where problem_name is not null order by new_value desc"
    )
    assert told == [
        ("город Тамбов", "такого муниципального образования в регионе нет", "topic", "source"),
        ("Космос", "такого блока нет", "topic", "source"),
    ]


def test_measures_orders_and_decisions_equal_the_registers(
    registers: Registers, query: Query
) -> None:
    cases = query("select region_code, source_code, native_id, topic_code from marts.fct_appeals")
    mart = registers.measures({(*key,): topic for *key, topic in cases})
    assert {row["state_code"] for row in mart.values()} == {
        *("planned", "active", "done", "late", "cancelled")
    }
    assert sum(row["cases_before"] is not None for row in mart.values()) > 50
    equal(mart, query, "mart_measures", ("region_code", "measure_kind_code", "measure_number"))


def test_the_interval_of_an_effect_is_the_exact_one(registers: Registers, query: Query) -> None:
    rows = query(
        "select cases_before, cases_after, effect_ratio, effect_low, effect_high,"
        f" cardinality(case_ids) from marts.mart_measures where region_code = '{APART}'"
        " order by measure_number"
    )
    assert [row[:2] for row in rows] == list(COUNTS)
    for before, after, ratio, low, high, cases in rows:
        assert (ratio, low, high) == effect(before, after), (before, after)
        assert cases == before + after


def test_the_media_plan_equals_the_register(registers: Registers, query: Query) -> None:
    mart = registers.media()
    assert {row["state_code"] for row in mart.values()} >= {"planned", "held", "late"}
    equal(mart, query, "mart_information_work", ("region_code", "item_number"))


def test_answers_to_requests_equal_the_register(registers: Registers, query: Query) -> None:
    mart = registers.requests()
    assert any(row["late"] for row in mart.values())
    key = ("region_code", "recipient_name", "subject_name", "month_start")
    equal(mart, query, "mart_data_supply", key, "supply_kind_code = 'request'")


def test_owed_reports_equal_the_acts_and_the_registers(registers: Registers, query: Query) -> None:
    mart = registers.owed()
    assert {row["report_state"] for row in mart.values()} >= {
        *("сдан", "сдан с опозданием", "не сдан: реестра нет", "срок не назван")
    }
    equal(
        mart,
        query,
        "mart_owed_reports",
        ("region_code", "report_code", "period_start", "request_number"),
    )


def test_indicators_equal_what_is_declared_and_what_the_cases_give(
    registers: Registers, query: Query
) -> None:
    mart = registers.indicators()
    assert {row["state_code"] for row in mart.values()} >= {"approved", "rejected"}
    assert {row["is_within_tolerance"] for row in mart.values()} >= {True, False}
    equal(mart, query, "mart_indicators", ("region_code", "indicator_code", "body_code", "period"))


def test_days_of_the_blocks_equal_the_cases(registers: Registers, query: Query) -> None:
    mart = registers.block_days()
    for name in ("overdue_cases", "due_within_3_days", "transferred_in", "reopened"):
        assert sum(row[name] for row in mart.values()) > 5, name
    equal(mart, query, "mart_block_reports", ("report_date", "region_code", "block_code"))


def test_the_summary_of_a_day_equals_its_blocks_and_what_was_due(
    registers: Registers, query: Query
) -> None:
    mart = registers.summaries()
    for name in ("intake", "reports_in_time", "reports_late"):
        assert sum(row[name] for row in mart.values()) > 5, name
    equal(mart, query, "mart_block_report_summary", ("report_date", "region_code"))
