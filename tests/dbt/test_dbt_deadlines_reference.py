"""Steps before the answer, internal terms and succession against an independent computation."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime
from pathlib import Path

import pytest
from dbt_runs import Dbt, Query
from raw_rows import RawRows
from test_dbt_reference import AS_OF, land

from ingestion.sandbox.truth import write_truth
from ingestion.sandbox.world import build_world
from stack.database import Warehouse
from tests.reference.deadlines_reference import Deadlines, Steps, Succession, differences
from tests.reference.marts_reference import Reference, attributes_of

pytestmark = [pytest.mark.server, pytest.mark.slow]

# Two bodies of the sandbox are new in the midst of its two years.
SUCCESSIONS = (
    Succession("tambov_oiv_roads_before", "tambov_oiv_roads", date(2025, 6, 1)),
    Succession("samara_oiv_hcs_before", "samara_oiv_hcs", date(2025, 9, 15)),
)


def expected(truth: Path, as_of: datetime, query: Query) -> Deadlines:
    """The reference's answer, with blocks and municipalities as the warehouse understood them."""
    attributes = attributes_of(query)
    return Steps(Reference(truth, as_of, attributes), attributes, SUCCESSIONS).compute()


def land_bodies(rows: RawRows, names: dict[str, str]) -> None:
    """The register of bodies: the two successors, and who they were before."""
    for one in SUCCESSIONS:
        region = one.after.split("_oiv_")[0]
        start = one.since.isoformat()
        rows.add(
            *("bodies", region, one.before),
            name=f"{names[one.after]} (до реорганизации)",
            body_kind="Органы исполнительной власти",
            valid_from="2010-01-01",
            valid_to=start,
        )
        rows.add(
            *("bodies", region, one.after),
            name=names[one.after],
            valid_from=start,
            predecessor_code=one.before,
        )


def test_every_clock_equals_an_independent_computation(
    warehouse: Warehouse, dbt: Dbt, query: Query, tmp_path: Path
) -> None:
    write_truth(build_world(seed=37, as_of=AS_OF, cases=2500), tmp_path)
    rows = RawRows()
    reference = Reference(tmp_path, AS_OF, {})
    land(rows, reference, reference.records)
    land_bodies(rows, reference.names)
    rows.write(warehouse.url("loader"))

    dbt("build", "--quiet", "--exclude-resource-type", "test", "unit_test")

    found = expected(tmp_path, AS_OF, query)
    total = sum(found.counts.values(), start=Counter())
    for name in (
        *("internal_on_time", "internal_late", "internal_overdue_open", "internal_not_yet_due"),
        *("first_reply_on_time", "first_reply_late", "first_reply_overdue_open"),
        *("registration_on_time", "forwarding_on_time", "forwarding_late"),
    ):
        assert total[name] > 0, name
    for one in SUCCESSIONS:
        held = {month for month, _, _, body, *_ in found.counts if body == one.before}
        assert held, one
        assert max(held) <= one.since, one
    wrong = differences(found, query)
    assert wrong == [], f"{len(wrong)} cells differ:\n" + "\n".join(wrong[:20])
    # Rule E1 of communication errors: a post or comment answered late, or not in time to this day.
    flagged = query(
        "select region_code, source_code, native_id from marts.fct_communication_flags"
        " inner join marts.fct_appeals using (case_id, region_code)"
        " where rule_code = 'E1' and case_kind in ('post', 'comment')"
    )
    assert set(flagged) == set().union(*found.cases["first_reply"].values())
    assert len(flagged) > 10
