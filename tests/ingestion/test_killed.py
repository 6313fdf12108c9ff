"""A load that is killed at any point leaves nothing behind; the next run makes up for it."""

from __future__ import annotations

import contextlib
import csv
import io
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ingestion.ingest import prepare_sources
from ingestion.source import Source, load_source
from tests.ingestion.clients.loopback import Site
from tests.ingestion.conftest import HEAD, Platform

pytestmark = pytest.mark.server

REPOSITORY = Path(__file__).resolve().parents[2]
# More than a page, so that a part of the load is behind each point and a part before it.
ROWS = 2_400
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
    listing: complete
    format: {type: csv, separator: ";"}
    identity: {who: person}
    record: {text: text, received_at: date, applicant_key: who}
"""

# The process does a step for the `turn`-th time, tells so through the pipe, and stands still.
PROGRAM = """
import os, sys, time
from pathlib import Path

import psycopg

from ingestion import conversion, ledger, loader
from ingestion.clients import transport
from ingestion.ingest import ingest
from ingestion.source import load_source

point, yaml, url, key, pipe = sys.argv[1:]
turns = 0

def reached():
    os.write(int(pipe), b"!")
    while True:
        time.sleep(60)

def standing_after(owner, name, turn=1, when=lambda *given: True):
    step = getattr(owner, name)
    def stepped(*given, **named):
        global turns
        made = step(*given, **named)
        if when(*given):
            turns += 1
            if turns == turn:
                reached()
        return made
    setattr(owner, name, stepped)

if point == "fetch":
    standing_after(transport.Transport, "_save")
elif point == "parse":
    standing_after(conversion.Converter, "page", turn=2)
elif point == "parse beside":
    conversion._ALONE_ROWS = 0
    standing_after(loader.Landing, "add", turn=2)
elif point == "copy":
    standing_after(loader.Landing, "add", turn=2)
elif point == "merge":
    standing_after(loader.Landing, "_execute", when=lambda landing, statement, *_: (
        statement == loader._INSERT))
elif point == "commit":
    standing_after(ledger, "finish")
elif point == "committed":
    standing_after(psycopg.Transaction, "__exit__", when=lambda *_: finished)
    finished, finish = [], ledger.finish
    def noted(*given, **named):
        finish(*given, **named)
        finished.append(True)
    ledger.finish = noted

ingest(load_source(Path(yaml), {}), database_url=url, vault_key=key, run_id="killed")
"""
STATE = """
select record_key, native_id, payload, record, payload_hash, file_sha256, row_number, is_deleted
from raw.{table} order by record_key, raw_id
"""
QUARANTINE = """
select error_code, reason, row_number, state from ops.quarantine where source_code = %s
order by row_number
"""


def content() -> bytes:
    """Every tenth row repeats another, every hundredth has a date that cannot be."""
    written = io.StringIO(newline="")
    writer = csv.writer(written, delimiter=";")
    writer.writerow(["text", "date", "who"])
    writer.writerows(
        [
            f"Яма {n // 10 * 10 if n % 10 == 9 else n}",
            "3020-01-01" if n % 100 == 50 else "2026-01-05",
            f"Житель {n % 300}",
        ]
        for n in range(ROWS)
    )
    return written.getvalue().encode()


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as one:
        rows = content()
        one.pages["/rows.csv"] = lambda asked: rows
        yield one


def declared(folder: Path, endpoint: str, table: str) -> Path:
    path = folder / f"{table}.yml"
    text = YAML.replace("ENDPOINT", endpoint).replace("TABLE", table)
    path.write_text(HEAD + text, encoding="utf-8")
    return path


def killed_at(
    point: str,
    yaml: Path,
    platform: Platform,
    temporary: Path,
    before: Callable[[int], None] = lambda process: None,
) -> None:
    """Start a load in a process of its own and kill it when it has reached the point."""
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [
            *(sys.executable, "-c", PROGRAM),
            *(point, str(yaml), platform.url, platform.vault_key, str(writing)),
        ],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "TMPDIR": str(temporary)},
        pass_fds=[writing],
    )
    os.close(writing)
    try:
        ready, _, _ = select.select([reading], [], [], 90)
        assert ready, f"the process never reached the point: {point}"
        assert os.read(reading, 1) == b"!", f"the process ended before the point: {point}"
        before(process.pid)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        os.close(reading)


def tables(platform: Platform, table: str) -> tuple[Any, ...]:
    """What the platform keeps of the source: records, quarantine, identities, watermark."""
    return (
        platform.rows(STATE.format(table=table)),
        platform.rows(QUARANTINE, table),
        platform.rows("select pseudonym, kind from vault.identities order by 1"),
        platform.rows("select count(*) from ops.watermarks where source_code = %s", table),
    )


@pytest.mark.parametrize("point", ["fetch", "parse", "copy", "merge", "commit", "committed"])
def test_kill_9_at_any_point_and_a_second_run_give_the_same_as_one_clean_run(
    platform: Platform, site: Site, tmp_path: Path, point: str
) -> None:
    table = f"killed_{point}"
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    path = declared(tmp_path, f"{site.url}/rows.csv", table)
    source: Source = load_source(path, {})
    prepare_sources(platform.url, [source])
    killed_at(point, path, platform, temporary)
    # Nobody is named in what a dead process leaves on the disk, and nothing in the tables.
    assert list(temporary.iterdir()) == []
    is_committed = point == "committed"
    assert bool(platform.rows(f"select 1 from raw.{table} limit 1")) is is_committed
    assert bool(platform.quarantine(table)) is is_committed

    (load,) = platform.ingest(source, run_id="again")

    assert (load.outcome, load.is_balanced, load.rows_read) == ("success", True, ROWS)
    assert (load.rows_landed == 0) is is_committed
    assert platform.rows(
        "select run_id, outcome from ops.loads where source_code = %s order by load_id", table
    ) == [("killed", "success" if is_committed else "interrupted"), ("again", "success")]
    after_kill = tables(platform, table)

    # One clean run of the same declaration, in an empty table and an empty quarantine.
    with psycopg.connect(platform.warehouse.url("owner"), autocommit=True) as owner:
        owner.execute(f"truncate raw.{table}")
        owner.execute("delete from ops.quarantine where source_code = %s", [table])
        owner.execute("delete from ops.watermarks where source_code = %s", [table])
        owner.execute("truncate vault.identities")
    (clean,) = platform.ingest(source, run_id="clean")

    assert tables(platform, table) == after_kill
    assert clean.rows_landed == len(after_kill[0]) > 0
    assert clean.rows_quarantined == len(after_kill[1]) > 0


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs Linux: process descriptors")
def test_the_workers_of_a_killed_load_end_with_it(
    platform: Platform, site: Site, tmp_path: Path
) -> None:
    # They hold the vault key and rows in the clear.
    path = declared(tmp_path, f"{site.url}/rows.csv", "killed_beside")
    prepare_sources(platform.url, [load_source(path, {})])
    workers: list[int] = []

    def found(process: int) -> None:
        children = Path(f"/proc/{process}/task/{process}/children").read_text(encoding="ascii")
        workers.extend(os.pidfd_open(int(one)) for one in children.split())

    killed_at("parse beside", path, platform, tmp_path, found)
    try:
        assert workers
        for worker in workers:
            ended, _, _ = select.select([worker], [], [], 15)
            assert ended, "a worker goes on without the load that it works for"
    finally:
        for worker in workers:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(worker, signal.SIGKILL)
            os.close(worker)
