"""What the charts of the dashboard show is what the facts say, with every filter off and on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from stack.access import admit
from stack.bench import charts
from stack.database import Warehouse

pytestmark = [pytest.mark.server, pytest.mark.slow]

LOGIN = "official"
QUERIES = charts.load()
COMPARED = [query for query in QUERIES if query.facts_sql is not None]
# The state of loads: sources are declared when a home is made, and this warehouse has none.
WITHOUT_ROWS = {"Данные источников"}
# The period of the dashboard, and one that ends in the middle of weeks long past.
PERIODS: tuple[dict[str, str], ...] = ({}, {"from_date": "2024-09-18", "until_date": "2025-07-10"})
Connections = tuple[psycopg.Connection[Any], psycopg.Connection[Any]]


@pytest.fixture(scope="module")
def connections(built_sandbox: Warehouse) -> Iterator[Connections]:
    """An official who sees everything, and an analyst."""
    admit(built_sandbox.url("owner"), [LOGIN])
    with (
        charts.as_official(built_sandbox, LOGIN) as official,
        charts.as_analyst(built_sandbox) as analyst,
    ):
        yield official, analyst


@pytest.fixture(scope="module")
def values(connections: Connections) -> dict[str, str]:
    return charts.filter_values(connections[1])


def answer(
    connection: psycopg.Connection[Any], text: str, filters: tuple[str, ...], values: dict[str, str]
) -> list[tuple[Any, ...]]:
    """Rows in an order of their own: charts sort by numbers, in which rows may be equal."""
    rows = connection.execute(charts.filled(text, filters, values)).fetchall()
    return sorted(rows, key=lambda row: [str(cell) for cell in row if isinstance(cell, str)])


@pytest.mark.parametrize("query", COMPARED, ids=lambda query: query.name)
def test_a_chart_shows_what_the_facts_say(
    query: charts.ChartQuery, connections: Connections, values: dict[str, str]
) -> None:
    official, analyst = connections
    assert query.facts_sql is not None
    for period in PERIODS if charts.PERIOD in query.filters else PERIODS[:1]:
        shown = answer(official, query.sql, query.filters, {**values, **period})
        assert shown == answer(analyst, query.facts_sql, query.filters, {**values, **period})


def test_no_chart_is_empty_without_filters(
    connections: Connections, values: dict[str, str]
) -> None:
    empty = {
        query.chart
        for query in QUERIES
        if not query.filters
        and not any(
            cell is not None
            for row in answer(connections[0], query.sql, (), values)
            for cell in row
        )
    }
    assert empty == WITHOUT_ROWS


def test_every_filter_narrows_what_a_chart_of_deadlines_counts(
    connections: Connections, values: dict[str, str]
) -> None:
    """Otherwise the comparisons with a filter on would be those without it."""
    counted = {
        query.filters: sum(
            sum(row[1:4]) for row in answer(connections[0], query.sql, query.filters, values)
        )
        for query in QUERIES
        if query.chart == "Сроки по месяцам"
    }
    alone = {filters for filters in counted if len(filters) == 1}
    assert len(alone) == 6
    assert all(0 < counted[filters] < counted[()] for filters in alone)


def test_a_query_without_an_answer_from_the_facts_says_why() -> None:
    for query in QUERIES:
        assert (query.facts_sql is None) == bool(query.no_facts), query.name
    assert len({query.chart for query in COMPARED}) == 8


def test_the_charts_of_a_warehouse_are_measured(built_sandbox: Warehouse) -> None:
    told: list[str] = []
    measures = {one.name: one for one in charts.measure(built_sandbox, told.append, repeats=1)}
    assert measures["chart_query_p95"].bound == 300
    assert measures["chart_query_p95"].value > 0
    assert sum(query.name in line for query in QUERIES for line in told) >= len(QUERIES)
