"""The whole project builds on an empty raw, quietly."""

from __future__ import annotations

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
