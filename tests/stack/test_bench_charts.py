"""What the times of the charts' queries come to."""

from __future__ import annotations

from pathlib import Path

import pytest

from stack.bench.charts import ChartQuery, Timed, filled, judged, load

QUERIES = """
- {chart: Share, filters: [period, region_name], sql: "select '{region_name}', '{from_date}'"}
- {chart: "About: Share", filters: [], sql: select 1}
"""
FACTS = """
rows: {cycles: {period: week_start, sql: select 1}}
charts:
  Share: {from: cycles, sql: "with cycles as ({cycles}) select 2 from cycles where {filters}"}
captions: {prefix: "About: ", no_facts: It counts the rows above.}
"""


def timed(chart: str, runs: list[float], facts: float | None = None) -> Timed:
    return Timed(ChartQuery(chart, (), "", None, None), runs, facts)


def test_the_slowest_query_and_the_one_nearest_to_the_facts_are_judged_and_named() -> None:
    told: list[str] = []
    slow = timed("slow", [10.0] * 18 + [400.0] * 2)
    near = timed("near", [12.0, 10.0, 11.0], facts=220.0)
    far = timed("far", [1.0], facts=1000.0)
    within_200_ms = timed("small", [100.0], facts=200.0)
    p95, ratio = judged([slow, near, far, within_200_ms], told.append)
    assert (p95.name, p95.value, p95.holds) == ("chart_query_p95", 400.0, False)
    assert (ratio.name, ratio.value, ratio.holds) == ("charts_against_facts", 20.0, True)
    assert any("slow" in line for line in told)
    assert any("near" in line for line in told)


def test_nothing_is_compared_where_the_facts_answer_at_once() -> None:
    told: list[str] = []
    (only,) = judged([timed("small", [1.0], facts=200.0)], told.append)
    assert only.name == "chart_query_p95"
    assert "nothing to compare" in told[-1]


def test_the_answer_from_the_facts_is_asked_under_the_filters_of_the_chart(tmp_path: Path) -> None:
    queries, facts = tmp_path / "queries.yml", tmp_path / "facts.yml"
    queries.write_text(QUERIES, encoding="utf-8")
    facts.write_text(FACTS, encoding="utf-8")
    share, caption = load(queries, facts)
    assert (caption.facts_sql, caption.no_facts) == (None, "It counts the rows above.")
    values = {"region_name": "O'Neil", "from_date": "2026-01-01", "until_date": "2026-02-01"}
    assert share.facts_sql is not None
    asked = filled(share.facts_sql, share.filters, values).decode()
    assert asked.endswith(
        "where week_start >= date '2026-01-01' and week_start < date '2026-02-01'"
        " and region_name in ('O''Neil')"
    )
    assert filled(share.sql, share.filters, values) == b"select 'O''Neil', '2026-01-01'"
    assert filled(share.sql, (), values) == b"select 'O''Neil', '-infinity'"


def test_a_chart_of_which_nothing_is_said_is_named(tmp_path: Path) -> None:
    queries, facts = tmp_path / "queries.yml", tmp_path / "facts.yml"
    queries.write_text("- {chart: New, filters: [], sql: select 1}", encoding="utf-8")
    facts.write_text(FACTS, encoding="utf-8")
    with pytest.raises(KeyError, match="New"):
        load(queries, facts)
