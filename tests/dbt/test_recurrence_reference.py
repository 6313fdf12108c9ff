"""The marts about what comes again against an independent computation."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path

import pytest
from dbt_runs import Dbt, Query
from raw_rows import RawRows
from test_dbt_reference import AS_OF, land

from ingestion.sandbox.truth import write_truth
from ingestion.sandbox.world import build_world
from stack.database import Warehouse
from tests.reference.marts_reference import Reference, attributes_of
from tests.reference.recurrence_reference import Recurrence, differences, small_towns

pytestmark = [pytest.mark.server, pytest.mark.slow]

MARTS = (
    *("mart_repeat_appeals", "mart_mass_problems", "mart_root_causes", "mart_satisfaction"),
    *("mart_fast_track", "mart_best_practices"),
)


def test_the_marts_about_what_comes_again_equal_an_independent_computation(
    warehouse: Warehouse, dbt: Dbt, query: Query, tmp_path: Path
) -> None:
    write_truth(build_world(seed=11, as_of=AS_OF, cases=6000), tmp_path)
    small_towns(tmp_path, ("chelyabinsk", "jewish_ao"))
    rows = RawRows()
    reference = Reference(tmp_path, AS_OF, {})
    land(rows, reference, reference.records)
    rows.write(warehouse.url("loader"))
    dbt(
        *("build", "--quiet", "--exclude-resource-type", "test", "unit_test"),
        *("--select", "+fct_appeals", *(f"+{mart}" for mart in MARTS)),
    )
    recurrence = Recurrence(Reference(tmp_path, AS_OF.astimezone(UTC), attributes_of(query)))
    assert len(recurrence.copies) > 10
    evidence = {found[1] for found in recurrence.repeats().values()}
    assert evidence == {"house", "point", "equal_text"}
    assert len(recurrence.mass_problems()) > 20
    assert len(recurrence.root_causes()) > 100
    assert any(row["is_best_practice"] for row in recurrence.best_practices().values())
    found = list(differences(recurrence, query))
    assert found == [], f"{len(found)} cells differ:\n" + "\n".join(found[:20])
