"""The metrics of the semantic layer, each against its mart on a built warehouse."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import psycopg
import pytest
from dbt_runs import DATABASE, Dbt, Query
from metrics_by_hand import BY_HAND
from metrics_made import MADE
from psycopg import sql
from psycopg.types.json import Jsonb
from raw_rows import RawRows
from register_rows import register_rows
from test_dbt_reference import AS_OF

from ingestion.sandbox.world import build_world
from stack.database import Warehouse
from stack.metrics import MetricCard, SemanticLayer
from tests.conftest import copied

pytestmark = [pytest.mark.server, pytest.mark.slow]

# What the registers of the sandbox change.
REBUILT = (
    "staging",
    "int_signal_decisions",
    "intermediate.before_enrichment.registers",
    "intermediate.after_enrichment.registers",
    "marts.registers",
    "mart_risk_signals",
)
# Marts that have no metric, and why.
WITHOUT_METRICS = {
    "mart_case_ledger": "where each record of a source ended: a list to look things up, no day",
    "mart_agency_rating_dimensions": "weights, shrunk values and contributions of one body",
    "mart_priority_parts": "places among cells and points of one cell",
    "mart_communication_rules": "shares weighted by sampling, each of its rule and period",
    "mart_block_report_summary": "sums of mart_block_reports and counts of mart_owed_reports",
    "mart_topic_coverage": "the quality of the data by source, no measure of an act",
    "mart_source_freshness": "the state of loads at the moment of the query",
    "agg_deadline_compliance": "sums of mart_deadline_compliance over municipalities, for charts",
    "agg_appeals_people": "distinct people of each slice: never summed",
    "agg_appeals_surplus": "what agg_appeals_people is computed from",
}


@pytest.fixture(scope="module")
def warehouse(built_sandbox: Warehouse) -> Iterator[Warehouse]:
    """A copy of the built sandbox under the name that dbt knows."""
    with copied(built_sandbox, DATABASE) as copy:
        yield copy


@pytest.fixture(scope="module")
def filled(warehouse: Warehouse, dbt: Dbt) -> Warehouse:
    """The built sandbox with the registers that people keep."""
    rows = RawRows()
    for row in register_rows(build_world(seed=11, as_of=AS_OF, cases=2000)):
        rows.add(row.table, row.region_code, row.native_id, **row.record)
    rows.write(warehouse.url("loader"))
    dbt("build", "--quiet", "--exclude-resource-type", "test", "unit_test", "--select", *REBUILT)
    # Two thousand cases leave no month ten ratings: most get twelve times as many as they have, and
    # the others stay below what is published.
    with psycopg.connect(warehouse.url("transformer")) as connection:
        connection.execute(
            "update marts_kept.kept_satisfaction set"
            " answered_cases = 12 * answered_cases, rated_cases = 12 * rated_cases,"
            " satisfied_cases = 12 * rated_cases - extract(month from period_start),"
            " mean_rating = 4, mean_first_rating = 4, not_computed_reason = null,"
            " csat_share = round(1 - extract(month from period_start) / (12 * rated_cases), 4)"
            " where rated_cases > 0 and extract(month from period_start)::int % 4 > 0"
        )
    return warehouse


@pytest.fixture(scope="module")
def layer(filled: Warehouse, dbt_folder: Path) -> SemanticLayer:
    return SemanticLayer(dbt_folder / "target")


@pytest.fixture(scope="module")
def cards(layer: SemanticLayer) -> list[MetricCard]:
    return layer.cards()


def values(rows: list[tuple[Any, ...]]) -> dict[str, float]:
    """Numbers by key: nothing counted is zero in one statement and missing in another."""
    return {key: float(number) for key, number in rows if number}


def differ(found: dict[str, float], expected: dict[str, float]) -> bool:
    return found.keys() != expected.keys() or not all(
        math.isclose(found[key], expected[key], rel_tol=1e-9) for key in found
    )


def test_every_metric_equals_its_formula_over_the_mart_in_every_region(
    layer: SemanticLayer, cards: list[MetricCard], query: Query
) -> None:
    checked = [name for metrics in BY_HAND.values() for name in metrics]
    assert sorted(checked) == [card.name for card in cards], "write the formula of a new metric"
    wrong, empty = {}, set()
    for rows, formulas in BY_HAND.items():
        for name, formula in formulas.items():
            expected = values(
                query(f"select region_code, {formula} from marts.{rows} group by region_code")
            )
            found = values(query(layer.sql([name], group_by=["region"])))
            if differ(found, expected):
                wrong[name] = (found, expected)
            if not expected:
                empty.add(name)
    assert not wrong
    # What the sandbox has no rows of is reckoned from made ones below.
    assert not empty - {name for _, metrics in MADE.values() for name in metrics}


@pytest.mark.parametrize("mart", sorted(MADE))
def test_metrics_of_made_rows_come_to_what_was_reckoned_by_hand(
    mart: str, layer: SemanticLayer, filled: Warehouse
) -> None:
    rows, expected = MADE[mart]
    with psycopg.connect(filled.url("transformer")) as connection:
        # As the mart, without its constraints: each row has what metrics read and no more.
        connection.execute(
            sql.SQL("create temporary table made as select * from marts.{} limit 0").format(
                sql.Identifier(mart)
            )
        )
        for row in rows:
            connection.execute(
                "insert into made select * from jsonb_populate_record(null::made, %s)", [Jsonb(row)]
            )
        for name, number in expected.items():
            statement = re.sub(rf'"\w+"\."marts"\."{mart}"', "pg_temp.made", layer.sql([name]))
            ((found,),) = connection.execute(statement.encode()).fetchall()
            assert float(found) == pytest.approx(number), name
        connection.rollback()


def test_every_metric_answers_without_a_grouping_by_time_and_by_all_it_names(
    layer: SemanticLayer, cards: list[MetricCard], query: Query
) -> None:
    subjects = set()
    for card in cards:
        assert len(query(layer.sql([card.name]))) == 1
        query(layer.sql([card.name], group_by=["metric_time", "region"]))
        # Metrics of one subject read the same rows.
        if (card.mart, card.subject) not in subjects:
            subjects.add((card.mart, card.subject))
            for name in card.group_by:
                query(layer.sql([card.name], group_by=[name]))


def test_a_share_of_a_mart_is_the_metric_of_the_same_cell(
    layer: SemanticLayer, query: Query
) -> None:
    """One name, one number: what a mart publishes by cell is what the metric says of it."""
    for metric, group_by, published in (
        (
            "satisfaction_share",
            ["metric_time__month", "region"],
            "period_start, region_code, csat_share from marts.mart_satisfaction"
            " where period_kind = 'month' and cut_code = 'region'",
        ),
        (
            "body_satisfaction_share",
            ["metric_time__month", "region", "body"],
            "period_start, region_code, body_code, csat_share from marts.mart_satisfaction"
            " where period_kind = 'month' and cut_code = 'body'",
        ),
        (
            "occupancy_share",
            ["metric_time__week", "region", "block"],
            "week_start, region_code, block_code, occupancy_share from marts.mart_block_workload",
        ),
        (
            "backlog_days_total",
            ["metric_time__week", "region", "block"],
            "week_start, region_code, block_code, backlog_days from marts.mart_block_workload",
        ),
    ):
        shown = {
            tuple(cell.date() if hasattr(cell, "date") else cell for cell in row[:-1]): float(
                row[-1]
            )
            for row in query(layer.sql([metric], group_by=group_by))
            if row[-1] is not None
        }
        told = {
            row[:-1]: float(row[-1]) for row in query(f"select {published}") if row[-1] is not None
        }
        assert shown.keys() == told.keys(), metric
        assert told, metric
        for key, share in told.items():
            assert math.isclose(shown[key], share, abs_tol=0.006, rel_tol=0.01), (metric, key)


def test_what_is_open_is_never_summed_over_weeks(layer: SemanticLayer, query: Query) -> None:
    by_week = query(layer.sql(["open_cases_total"], group_by=["metric_time__week", "region"]))
    last: dict[str, tuple[date, float]] = {}
    for week, region, number in by_week:
        last[region] = max(last.get(region, (week, number)), (week, number))
    total = values(query(layer.sql(["open_cases_total"], group_by=["region"])))
    assert total == {region: float(number) for region, (_, number) in last.items() if number}


def test_a_mart_has_metrics_or_a_reason_to_have_none(
    manifest: dict[str, Any], cards: list[MetricCard]
) -> None:
    marts = {
        node["name"]
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model"
        and node["schema"] == "marts"
        and node["name"].startswith(("mart_", "agg_"))
    }
    with_metrics = {card.mart for card in cards} & marts
    assert marts - with_metrics == WITHOUT_METRICS.keys()


def test_sources_and_bodies_are_codes_that_metrics_of_several_marts_share(
    layer: SemanticLayer, query: Query
) -> None:
    rows = query(layer.sql(["appeals", "applicants"], group_by=["source"]))
    assert {row[0] for row in rows} >= {"pos", "vk"}
    assert all(0 < applicants <= appeals for _, appeals, applicants in rows if applicants)
