"""A load that is killed in the middle leaves nothing behind; the next run makes up for it."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from ingestion.ingest import prepare_sources
from ingestion.source import Source, load_source
from tests.ingestion.conftest import HEAD, Platform

REPOSITORY = Path(__file__).resolve().parents[2]
ROWS = 6_000
YAML = """
kind: register
deadline: none
regions: [{code: tambov, time_zone: Europe/Moscow, endpoint: "ENDPOINT"}]
entities:
  rows:
    table: TABLE
    role: case
    kind: appeal
    key: content
    format: {type: csv, separator: ";"}
    identity: {who: person}
    record: {text: text, received_at: date, applicant_key: who}
"""
# The process stops itself on the page after the first batch has been copied, and tells the test.
PROGRAM = """
import sys, time
from pathlib import Path
from ingestion.ingest import ingest
from ingestion.source import load_source

def progress(what, rows):
    if rows >= int(sys.argv[4]):
        Path(sys.argv[5]).write_text("reached")
        while True:
            time.sleep(60)

source = load_source(Path(sys.argv[1]), {})
ingest(source, database_url=sys.argv[2], vault_key=sys.argv[3], run_id="killed", progress=progress)
"""
STATE = """
select record_key, native_id, payload, record, payload_hash, file_sha256, row_number, is_deleted
from raw.{table} order by record_key, raw_id
"""


def awaited(condition: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert process.poll() is None, "the process ended before it reached the middle"
        assert time.monotonic() < deadline, "the process never reached the middle"
        time.sleep(0.02)


def declared(folder: Path, endpoint: Path, table: str) -> Path:
    path = folder / f"{table}.yml"
    text = YAML.replace("ENDPOINT", str(endpoint)).replace("TABLE", table)
    path.write_text(HEAD + text, encoding="utf-8")
    return path


@pytest.mark.parametrize("rows_before", [2_000, 6_000])
def test_kill_9_in_mid_load_and_a_second_run_give_the_same_as_one_clean_run(
    platform: Platform, tmp_path: Path, rows_before: int
) -> None:
    data = tmp_path / "rows.csv"
    with data.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(["text", "date", "who"])
        # Every tenth row repeats another, every hundredth has a date that cannot be.
        writer.writerows(
            [
                f"Яма {n // 10 * 10 if n % 10 == 9 else n}",
                "3020-01-01" if n % 100 == 50 else "2026-01-05",
                f"Житель {n % 700}",
            ]
            for n in range(ROWS)
        )
    table = f"killed_{rows_before}"
    path = declared(tmp_path, data, table)
    source: Source = load_source(path, {})
    prepare_sources(platform.url, [source])
    mark = tmp_path / "reached"
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            PROGRAM,
            str(path),
            platform.url,
            platform.vault_key,
            str(rows_before),
            str(mark),
        ],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )
    try:
        awaited(mark.exists, process)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert platform.rows(f"select count(*) from raw.{table}") == [(0,)]

    (load,) = platform.ingest(source, run_id="again")

    outcomes = platform.rows(
        "select run_id, outcome, rows_landed from ops.loads where source_code = %s"
        " order by load_id",
        table,
    )
    assert outcomes == [("killed", "interrupted", 0), ("again", "success", load.rows_landed)]
    after_kill = platform.rows(STATE.format(table=table))
    kept = platform.rows(
        "select error_code, reason, row_number, state from ops.quarantine where source_code = %s"
        " order by row_number",
        table,
    )
    people = platform.rows("select count(*) from vault.identities")

    # One clean run of the same declaration, in an empty table and an empty quarantine.
    with psycopg.connect(platform.warehouse.url("owner"), autocommit=True) as owner:
        owner.execute(f"truncate raw.{table}")
        owner.execute("delete from ops.quarantine where source_code = %s", [table])
        owner.execute("truncate vault.identities")
    platform.ingest(source, run_id="clean")

    assert platform.rows(STATE.format(table=table)) == after_kill
    assert len(after_kill) == load.rows_landed
    assert (
        platform.rows(
            "select error_code, reason, row_number, state from ops.quarantine"
            " where source_code = %s order by row_number",
            table,
        )
        == kept
    )
    assert platform.rows("select count(*) from vault.identities") == people
