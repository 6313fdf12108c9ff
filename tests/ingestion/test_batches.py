"""A load lands in batches, and leaves what it would leave if it landed at once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ingestion import loader
from ingestion.formats import documents
from ingestion.ingest import IngestionFailed, ingest, prepare_sources
from ingestion.ledger import LoadCounts
from ingestion.mapping import record_key
from ingestion.source import Source, load_source
from ingestion.vault import Vault
from stack.database import Warehouse
from tests.ingestion.conftest import HEAD, VAULT_KEY

YAML = """
kind: register
deadline: none
max_quarantined_share: 1
regions: [{{code: pskov, time_zone: Europe/Moscow, endpoint: {path}}}]
entities:
  rows:
    table: {code}
    role: case
    kind: request
    key: id
    {more}
    format: {{type: jsonl}}
    record:
      received_at: {{from: got, optional: true}}
      text: text
      rating: {{from: rating, optional: true}}
"""
# One line of a file: which record, which content, when the source says it changed. A rating of 9
# is refused, but the record is listed.
lines = st.tuples(
    st.integers(1, 4), st.sampled_from("абв"), st.integers(1, 3), st.sampled_from([1, 1, 1, 9])
)
deliveries = st.lists(st.lists(lines, min_size=1, max_size=9), min_size=1, max_size=3)

ONE_CHANGES_TWICE = [[(1, "а", 1, 1)], [(1, "а", 1, 1), (2, "б", 1, 1), (1, "в", 1, 1)]]
IT_IS_AS_IT_WAS = [[(1, "а", 1, 1)], [(1, "в", 1, 1), (2, "б", 1, 1), (1, "а", 1, 1)]]
THE_FIRST_IS_THE_LAST_CHANGE = [[(1, "а", 3, 1), (2, "б", 1, 1), (1, "в", 1, 1), (1, "б", 2, 1)]]
IT_VANISHES_AND_RETURNS = [[(1, "а", 1, 1)], [(2, "б", 1, 1)], [(1, "б", 1, 1), (1, "а", 1, 1)]]


def write(path: Path, delivery: list[tuple[int, str, int, int]]) -> None:
    path.write_text(
        "".join(
            json.dumps({"id": n, "text": text, "at": f"2026-01-0{day}", "rating": rating}) + "\n"
            for n, text, day, rating in delivery
        ),
        encoding="utf-8",
    )


def load(warehouse: Warehouse, source: Source) -> LoadCounts:
    try:
        (counts,) = ingest(
            source, database_url=warehouse.url("loader"), vault_key=VAULT_KEY, run_id="batches"
        )
    except IngestionFailed as failure:
        (counts,) = failure.loads
    return counts


def left_by(warehouse: Warehouse, source: Source, counts: LoadCounts) -> dict[str, Any]:
    """What a load did; not which load it was, nor which of equal lines a version came from."""
    names = {record_key(source.code, "pskov", "rows", str(n)): n for n in range(1, 5)}
    vault = Vault(VAULT_KEY)
    with psycopg.connect(warehouse.url("loader")) as connection:
        versions = connection.execute(
            "select native_id, payload, record, payload_hash, is_deleted, load_id = %s"
            f" from raw.{source.code} order by native_id, raw_id",
            [counts.load_id],
        ).fetchall()
        kept = connection.execute(
            "select native_id, error_code, row_number, raw_sealed from ops.quarantine"
            " where source_code = %s",
            [source.code],
        ).fetchall()
        seen = connection.execute(
            "select is_unchanged, unnest(record_keys) from ops.sightings where load_id = %s",
            [counts.load_id],
        ).fetchall()
    return {
        "counts": (
            counts.rows_read,
            counts.rows_landed,
            counts.rows_unchanged,
            counts.rows_quarantined,
            counts.rows_tombstoned,
        ),
        "versions": versions,
        "kept": sorted((n, code, row, vault.unseal(sealed)) for n, code, row, sealed in kept),
        "seen": sorted((unchanged, names[key.hex]) for unchanged, key in seen),
    }


@pytest.fixture(scope="module")
def lines_are_pages() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(documents, "_BLOCK", 1)
        yield


@pytest.mark.usefixtures("lines_are_pages")
@pytest.mark.parametrize("more", ["", "changed: at", "listing: complete"])
@settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(files=deliveries, batch=st.integers(1, 4))
@example(files=ONE_CHANGES_TWICE, batch=1)
@example(files=IT_IS_AS_IT_WAS, batch=1)
@example(files=THE_FIRST_IS_THE_LAST_CHANGE, batch=2)
@example(files=IT_VANISHES_AND_RETURNS, batch=1)
def test_batches_of_any_size_leave_what_one_batch_leaves(
    files: list[list[tuple[int, str, int, int]]],
    batch: int,
    more: str,
    warehouse: Warehouse,
    tmp_path: Path,
) -> None:
    sources = {}
    for code in ("in_batches", "at_once"):
        text = YAML.format(code=code, path=tmp_path / "a.jsonl", more=more)
        (tmp_path / f"{code}.yml").write_text(HEAD + text, encoding="utf-8")
        sources[code] = load_source(tmp_path / f"{code}.yml", {})
    prepare_sources(warehouse.url("loader"), sources.values())
    with psycopg.connect(warehouse.url("owner")) as connection:
        connection.execute(
            "truncate raw.in_batches, raw.at_once, ops.quarantine, ops.sightings cascade"
        )
    for delivery in files:
        write(tmp_path / "a.jsonl", delivery)
        left = {}
        for code, rows in (("in_batches", batch), ("at_once", 1000)):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(loader, "_BATCH_ROWS", rows)
                left[code] = left_by(warehouse, sources[code], load(warehouse, sources[code]))
        assert left["in_batches"] == left["at_once"]


def test_a_load_can_take_back_only_what_it_has_just_written(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    write(tmp_path / "a.jsonl", [(1, "а", 1, 1)])
    text = YAML.format(code="committed", path=tmp_path / "a.jsonl", more="")
    (tmp_path / "committed.yml").write_text(HEAD + text, encoding="utf-8")
    source = load_source(tmp_path / "committed.yml", {})
    prepare_sources(warehouse.url("loader"), [source])
    assert load(warehouse, source).rows_landed == 1
    with (
        psycopg.connect(warehouse.url("loader")) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege, match="this transaction"),
    ):
        connection.execute(
            "select raw.retract('committed', array(select raw_id from raw.committed))"
        )


def test_new_records_are_looked_for_by_their_key_whatever_an_analysis_saw(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    path = tmp_path / "rows.jsonl"
    (tmp_path / "analysed.yml").write_text(
        HEAD + YAML.format(code="analysed", path=path, more=""), encoding="utf-8"
    )
    source = load_source(tmp_path / "analysed.yml", {})
    prepare_sources(warehouse.url("loader"), [source])
    with (
        psycopg.connect(warehouse.url("loader")) as loading,
        psycopg.connect(warehouse.url("owner"), autocommit=True) as other,
    ):
        loading.execute(
            """
            insert into raw.analysed
                (record_key, source_code, region_code, native_id, payload, record, payload_hash,
                 observed_at, load_id)
            select md5(n::text)::uuid, 'analysed', 'pskov', n, '{}', '{}', '', now(), 0
            from generate_series(1, 100000) as n
            """
        )
        # Of rows that are not committed it sees none.
        other.execute("analyze raw.analysed")

    write(path, [(number, "а", 1, 1) for number in range(1, 31)])

    looked_at = -rows_looked_at(warehouse)
    assert load(warehouse, source).rows_landed == 30
    looked_at += rows_looked_at(warehouse)
    assert looked_at < 1_000


def rows_looked_at(warehouse: Warehouse) -> int:
    with psycopg.connect(warehouse.url("owner")) as connection:
        ((count,),) = connection.execute(
            "select idx_tup_fetch + seq_tup_read from pg_stat_user_tables"
            " where relname = 'analysed'"
        ).fetchall()
    return int(count)
