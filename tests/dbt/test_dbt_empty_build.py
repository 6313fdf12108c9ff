"""The whole project builds on an empty raw, quietly."""

from __future__ import annotations

from typing import Any

import pytest
from dbt_runs import Dbt, Query

pytestmark = [pytest.mark.server, pytest.mark.slow]


def test_an_empty_raw_builds_with_all_tests_and_without_a_warning(
    dbt: Dbt, query: Query, first_reading: str
) -> None:
    result = dbt("build", "--show-all-deprecations")
    output = first_reading + result.stdout + result.stderr
    assert "full parse" in first_reading
    assert "WARN=0 ERROR=0" in output, output[-3000:]
    assert "deprecat" not in output.lower()
    assert "[WARNING]" not in output
    assert query("select count(*) from marts.fct_appeals") == [(0,)]
    assert query("select count(*) from marts.dim_regions") == [(10,)]
    unit_tests = [line for line in output.splitlines() if "PASS" in line and "::" in line]
    assert len(unit_tests) >= 20


def test_a_reader_of_the_database_sees_what_each_column_of_the_marts_means(
    dbt: Dbt, query: Query, manifest: dict[str, Any]
) -> None:
    """As `\\d+` of psql shows it. The second build replaces rows of kept tables and makes views
    anew: what was said of them stays."""
    told = {
        (model["schema"], model["name"], name): said
        for model in manifest["nodes"].values()
        if model["resource_type"] == "model"
        and model["schema"] in ("marts", "marts_kept", "marts_public")
        and model["contract"]["enforced"]
        for name, said in [
            (None, model["description"]),
            *((column["name"], column["description"]) for column in model["columns"].values()),
        ]
    }
    dbt("build", "--quiet", "--exclude-resource-type", "test", "unit_test")
    found = query(
        "select relnamespace::regnamespace::text, relname, attname, description"
        " from pg_description"
        " inner join pg_class on objoid = pg_class.oid and classoid = 'pg_class'::regclass"
        " left join pg_attribute on attrelid = objoid and attnum = objsubid and objsubid > 0"
        " where relnamespace::regnamespace::text in ('marts', 'marts_kept', 'marts_public')"
    )
    assert {row[:3]: row[3] for row in found} == told
    cases = told["marts", "agg_appeals_cube", "cases"]
    russian, _, english = cases.partition(" / ")
    assert "а" in russian
    assert "cases" in english.lower()
