"""`tsur bench ingest`: the loader against psql's `\\copy`, and its memory and growth."""

from __future__ import annotations

import json
import secrets
import sys
import tempfile
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from ingestion.loader import prepare_sources
from ingestion.source import load_source
from stack.bench import records
from stack.bench.measure import (
    Measure,
    Watched,
    at_least,
    at_most,
    median_ratio,
    run_watched,
)
from stack.database import Warehouse
from stack.postgres import PostgresServer, free_port
from stack.settings import REPOSITORY

_COLUMNS = (
    "record_key, source_code, region_code, native_id, payload, record, payload_hash, observed_at,"
    " source_changed_at, load_id, file_sha256, row_number, is_deleted"
)
_SOURCE = """
kind: register
description: {{ru: Реестр для измерений скорости, en: A register made for measuring}}
owner: bench
tier: 3
freshness: {{warn_hours: 1, error_hours: 2}}
deadline: source
max_megabytes: 8192
regions: [{{code: pskov, time_zone: Europe/Moscow, endpoint: {path}}}]
entities:
  rows:
    table: bench_rows
    role: case
    kind: appeal
    key: number
    format: {{type: {kind}, separator: ";", records: {records}}}
    identity: {{phone: phone}}
    record:
      received_at: registered
      source_due_at: {{from: due, end_of_day: true}}
      status: status
      topic: topic
      category: category
      body: body
      address: address
      latitude: lat
      longitude: lon
      channel: channel
      rating: rating
      text: text
      applicant_key: phone
"""
_FILL = """
insert into raw.bench_full
    (record_key, source_code, region_code, native_id, payload, record, payload_hash, observed_at,
     load_id, row_number)
select
    md5('full ' || n)::uuid,
    'bench_jsonl',
    'pskov',
    'full-' || n,
    jsonb_build_object('number', n, 'text', repeat('снег яма ', 40)),
    jsonb_build_object('native_id', n, 'received_at', '2026-01-01T00:00:00+03:00'),
    sha256(convert_to('hash ' || n, 'UTF8')),
    now(),
    (select coalesce(max(load_id), 0) from ops.loads),
    n
from generate_series(1, %(rows)s) as n
"""
_RECORDS = {"json": "rows", "xml": "row"}
Told = Callable[[str], None]


@dataclass(frozen=True)
class Sizes:
    """How many records; the defaults are those that the bounds were set for."""

    landed: int = 500_000
    workbook_rows: int = 200_000
    workbook_columns: int = 25
    streamed: int = 2_000_000
    delta: int = 10_000
    present: int = 5_000_000
    pairs: int = 3
    workbook_pairs: int = 5

    def scaled(self, scale: float) -> Sizes:
        """The same with fewer records, for a look in passing."""
        return Sizes(
            landed=int(self.landed * scale),
            workbook_rows=int(self.workbook_rows * scale),
            streamed=int(self.streamed * scale),
            delta=self.delta,
            present=int(self.present * scale),
            pairs=self.pairs,
            workbook_pairs=self.workbook_pairs,
        )


class IngestBench:
    """A scratch server, a folder of files, and the loader as its users start it."""

    def __init__(self, server: PostgresServer, folder: Path, told: Told) -> None:
        self._server = server
        self._folder = folder
        self._told = told
        self._warehouse = Warehouse.for_roles_with_one_password(server.url(), server.admin_password)
        self._key = urlsafe_b64encode(secrets.token_bytes(32)).decode()

    def prepare(self) -> None:
        self._warehouse.prepare()
        source = load_source(self._source("jsonl", self._folder / "none.jsonl"), {})
        prepare_sources(self._warehouse.url("loader"), [source])

    def _source(self, kind: str, path: Path) -> Path:
        source = self._folder / f"bench_{kind}.yml"
        text = _SOURCE.format(path=path, kind=kind, records=_RECORDS.get(kind, "null"))
        source.write_text(text, encoding="utf-8")
        return source

    def load(self, kind: str, path: Path) -> tuple[Watched, dict[str, float]]:
        """A load in a process of its own, and what it counted."""
        environment = {
            "TSUR_BENCH_URL": self._warehouse.url("loader"),
            "TSUR_BENCH_VAULT_KEY": self._key,
            "PYTHONPATH": str(REPOSITORY),
        }
        command = [sys.executable, "-m", "stack.bench.load", str(self._source(kind, path))]
        watched = run_watched(command, environment)
        return watched, json.loads(watched.output)

    def psql(self, command: str) -> Watched:
        """psql's own `\\copy`; the password goes through the environment."""
        return run_watched(
            [
                *(str(self._server.program("psql")), "--no-psqlrc", "--quiet"),
                *("--host", "127.0.0.1", "--port", str(self._server.port)),
                *("--username", "tsur_owner", "--dbname", self._warehouse.database),
                *("--set", "ON_ERROR_STOP=1", "--command", command),
            ],
            {"PGPASSWORD": self._server.admin_password},
        )

    def execute(self, *statements: str) -> None:
        with psycopg.connect(self._warehouse.url("owner"), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)

    def settle(self) -> None:
        """What earlier steps left to be written is written, so that nobody pays for another."""
        with psycopg.connect(self._warehouse.admin_url, autocommit=True) as connection:
            connection.execute("checkpoint")

    def empty(self) -> None:
        self.execute("truncate raw.bench_rows")
        self.settle()

    # --- what is measured -----------------------------------------------------------------------

    def against_copy(self, sizes: Sizes) -> Iterator[Measure]:
        """New records against `\\copy` of the same rows; then the same window again."""
        self._told(f"{sizes.landed:,} records as JSON Lines")
        path = self._folder / "landed.jsonl"
        prepared = self._folder / "prepared.copy"
        records.write_json_lines(path, records.records(sizes.landed))
        new: list[tuple[float, float]] = []
        again: list[tuple[float, float]] = []
        for number in range(sizes.pairs):
            self.empty()
            first, counts = self.load("jsonl", path)
            self._expect(counts, "rows_landed", sizes.landed)
            self.settle()
            second, counts = self.load("jsonl", path)
            self._expect(counts, "rows_unchanged", sizes.landed)
            again.append((first.seconds, second.seconds))
            if not number:
                self.execute("create table raw.bench_copy (like raw.bench_rows including all)")
                self.psql(f"\\copy raw.bench_rows ({_COLUMNS}) to '{prepared}'")
            self.execute("truncate raw.bench_copy")
            self.settle()
            copied = self.psql(f"\\copy raw.bench_copy ({_COLUMNS}) from '{prepared}'")
            new.append((copied.seconds, first.seconds))
            self._told(
                f"  pair {number + 1}: load {first.seconds:.1f} s, again {second.seconds:.1f} s, "
                f"\\copy {copied.seconds:.1f} s"
            )
        path.unlink()
        prepared.unlink()
        yield at_least("jsonl_new_against_copy", median_ratio(new), 0.5)
        yield at_least("jsonl_unchanged_against_new", median_ratio(again), 1.0)

    def against_calamine(self, sizes: Sizes) -> Iterator[Measure]:
        """A workbook landed, against its cells read alone; the start of neither process counts."""
        self._told(f"{sizes.workbook_rows:,} rows × {sizes.workbook_columns} columns as XLSX")
        path = self._folder / "workbook.xlsx"
        rows = records.records(sizes.workbook_rows)
        records.write_workbook(path, rows, sizes.workbook_columns)
        pairs: list[tuple[float, float]] = []
        peak = 0.0
        for number in range(sizes.workbook_pairs):
            self.empty()
            landed, counts = self.load("xlsx", path)
            self._expect(counts, "rows_landed", sizes.workbook_rows)
            peak = max(peak, landed.peak_megabytes)
            command = [sys.executable, "-m", "stack.bench.calamine", str(path)]
            read = json.loads(run_watched(command, {"PYTHONPATH": str(REPOSITORY)}).output)
            pairs.append((read["seconds"], counts["seconds"]))
            self._told(
                f"  pair {number + 1}: load {counts['seconds']:.1f} s, "
                f"calamine {read['seconds']:.1f} s"
            )
        path.unlink()
        yield at_least("xlsx_against_calamine", median_ratio(pairs), 0.5)
        yield at_most("xlsx_peak_memory", peak, 1024, "MB")

    def memory(self, sizes: Sizes) -> Iterator[Measure]:
        """Peak memory of the loader and its workers while many records stream through."""
        for kind, write in (
            ("csv", records.write_csv),
            ("json", records.write_json),
            ("jsonl", records.write_json_lines),
            ("xml", records.write_xml),
        ):
            self._told(f"{sizes.streamed:,} records as {kind}")
            path = self._folder / f"streamed.{kind}"
            write(path, records.records(sizes.streamed))
            self.empty()
            watched, counts = self.load(kind, path)
            self._expect(counts, "rows_landed", sizes.streamed)
            path.unlink()
            self._told(f"  {watched.seconds:.0f} s, peak {watched.peak_megabytes:.0f} MB")
            yield at_most(f"{kind}_peak_memory", watched.peak_megabytes, 400, "MB")

    def growth(self, sizes: Sizes) -> Iterator[Measure]:
        """A small load into an empty and into a full table, process start included."""
        self._told(f"{sizes.delta:,} records into 0 and into {sizes.present:,}")
        path = self._folder / "delta.jsonl"
        self.execute("create table raw.bench_full (like raw.bench_rows including all)")
        self._fill(sizes.present)
        pairs: list[tuple[float, float]] = []
        for number in range(sizes.pairs):
            rows = records.records(sizes.delta, seed=number, first=sizes.present * (number + 2))
            records.write_json_lines(path, rows)
            self.empty()
            small, counts = self.load("jsonl", path)
            self._expect(counts, "rows_landed", sizes.delta)
            self._swap()
            self.settle()
            full, counts = self.load("jsonl", path)
            self._expect(counts, "rows_landed", sizes.delta)
            self._swap()
            pairs.append((full.seconds, small.seconds))
            self._told(
                f"  pair {number + 1}: into 0 {small.seconds:.2f} s, "
                f"into {sizes.present:,} {full.seconds:.2f} s"
            )
        path.unlink()
        yield at_most("load_into_full_against_empty", median_ratio(pairs), 1.5)

    def _fill(self, rows: int) -> None:
        """Rows as the loader writes them, made on the server."""
        with psycopg.connect(self._warehouse.url("owner")) as connection:
            connection.execute(_FILL, {"rows": rows})
        self.execute("vacuum analyze raw.bench_full")

    def _swap(self) -> None:
        self.execute(
            "alter table raw.bench_rows rename to bench_other",
            "alter table raw.bench_full rename to bench_rows",
            "alter table raw.bench_other rename to bench_full",
            "grant select, insert on raw.bench_rows, raw.bench_full to tsur_loader",
        )

    @staticmethod
    def _expect(counts: dict[str, float], name: str, number: int) -> None:
        if counts[name] != number:
            raise RuntimeError(f"{name} is {counts[name]}, expected were {number}: {counts}")


@contextmanager
def bench(home: Path, told: Told) -> Iterator[IngestBench]:
    """A bench under `home/bench`, which is removed with all it holds."""
    folder = home / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix="ingest-") as name:
        scratch = Path(name)
        scratch.chmod(0o755)
        server = PostgresServer(scratch, free_port(), secrets.token_urlsafe(16))
        server.start()
        try:
            one = IngestBench(server, scratch, told)
            one.prepare()
            yield one
        finally:
            server.remove()


PARTS = ("copy", "xlsx", "memory", "growth")


def run(home: Path, parts: tuple[str, ...], sizes: Sizes, told: Told) -> list[Measure]:
    """Measure the named parts, in this order."""
    with bench(home, told) as one:
        steps = {
            "copy": one.against_copy,
            "xlsx": one.against_calamine,
            "memory": one.memory,
            "growth": one.growth,
        }
        return [measure for part in parts for measure in steps[part](sizes)]
