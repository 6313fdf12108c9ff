"""The marts about what comes again against an independent computation."""

from __future__ import annotations

from datetime import UTC
from itertools import combinations
from pathlib import Path

import psycopg
import pytest
from dbt_runs import Dbt, Query
from raw_rows import RawRows, text_hash
from test_dbt_reference import AS_OF, land

from ingestion.sandbox.truth import write_truth
from ingestion.sandbox.world import build_world
from stack.database import Warehouse
from tests.reference.marts_reference import Reference, attributes_of
from tests.reference.recurrence_reference import Recurrence, differences, small_towns

pytestmark = [pytest.mark.server, pytest.mark.slow]

MARTS = (
    *("mart_repeat_appeals", "mart_mass_problems", "mart_root_causes", "mart_satisfaction"),
    *("mart_fast_track", "mart_best_practices", "mart_problem_overview"),
)


def _pairs_of_texts(recurrence: Recurrence) -> list[tuple[str, str]]:
    """Different texts of one person about one topic in one municipality, in a lasting order."""
    groups: dict[tuple[str | None, ...], set[str]] = {}
    for case in recurrence.filed:
        if case.person and case.topic and case.municipality and case.letters:
            key = (case.region, case.person, case.topic, case.municipality)
            groups.setdefault(key, set()).add(case.text)
    pairs = {pair for texts in groups.values() for pair in combinations(sorted(texts), 2)}
    return sorted(pairs)


def _write_pairs(url: str, pairs: list[tuple[str, str]], similarity: str) -> None:
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        cursor.executemany(
            "insert into nlp.near_duplicates"
            " (text_kind, first_hash, second_hash, model_version, similarity)"
            " values ('message', %s, %s, 'model', %s)",
            [(*sorted(map(text_hash, pair)), similarity) for pair in pairs],
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
    with psycopg.connect(warehouse.url("transformer")) as connection:
        connection.execute(
            "insert into nlp.models (model_version, created_at, is_current, metrics)"
            " values ('model', now(), true, '{}')"
        )
    build = (
        *("build", "--quiet", "--exclude-resource-type", "test", "unit_test"),
        *("--select", "+fct_appeals", *(f"+{mart}" for mart in MARTS)),
    )
    dbt(*build)
    recurrence = Recurrence(Reference(tmp_path, AS_OF.astimezone(UTC), attributes_of(query)))
    assert len(recurrence.copies) > 10
    evidence = {found[1] for found in recurrence.repeats().values()}
    assert evidence == {"house", "point", "equal_text"}
    assert len(recurrence.mass_problems()) > 20
    assert len(recurrence.root_causes()) > 100
    assert any(row["is_best_practice"] for row in recurrence.best_practices().values())
    found = list(differences(recurrence, query))
    assert found == [], f"{len(found)} cells differ:\n" + "\n".join(found[:20])
    overview = recurrence.overview_repeats().values()
    assert sum(row["repeated_answers"] for row in overview) > 50
    # Then a model finds texts alike, and nothing else has changed.
    pairs = _pairs_of_texts(recurrence)
    near, far = pairs[::2], pairs[1::2]
    _write_pairs(warehouse.url("transformer"), near, "0.80")
    _write_pairs(warehouse.url("transformer"), far, "0.79")
    dbt(*build, "--exclude", "resource_type:seed")
    later = Recurrence(recurrence.reference, frozenset(frozenset(pair) for pair in near))
    similar = [found[2] for found in later.repeats().values() if found[1] == "similar_text"]
    assert len(similar) > 10
    assert max(similar) >= 2
    found = list(differences(later, query))
    assert found == [], f"{len(found)} cells differ:\n" + "\n".join(found[:20])
