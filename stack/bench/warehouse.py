"""`tsur bench warehouse`: builds of a large warehouse against one another, and what they take."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property
from pathlib import Path

import psycopg

from expectations.tables import ensure as ensure_audit
from ingestion.source import Entity, load_sources
from stack.airflow_services import dbt_environment_of
from stack.bench.cases import SPAN_DAYS, CaseGenerator
from stack.bench.measure import Measure, at_most, peaks, run_watched
from stack.database import Warehouse
from stack.dbt_build import last_run
from stack.pipeline import DBT_PROJECT, SOURCES_FOLDER
from stack.postgres import PostgresServer, free_port
from stack.settings import REPOSITORY

Told = Callable[[str], None]
PARTS = ("build", "extraction", "charts", "growth")
# A fixed day: the calendars of the seeds know it, and every run makes the same cases.
AS_OF = datetime.fromisoformat("2026-11-20T09:00:00+03:00")
FEWEST_CASES = 1000
# Of how many the bounds speak; fewer cost next to nothing beside dbt itself.
BOUND_CASES = 500_000
# What a case took while 200,000 were built: 2.6 times the 11 kB that it has in `raw`. The log of
# the server comes on top, and so does what others write.
_PEAK_BYTES_A_CASE = 29_000
_SPARE_BYTES = 4 << 30
_TOLD_NODES = 12
# What takes seconds is done as often as this, and the median counts: a noisy neighbour moves a
# ratio by a tenth. Days follow one another: not all are of a week's end. With more cases than the
# bounds speak of, everything takes minutes and is done once.
_TIMES = 3
_TYPES = {
    "text": "text",
    "integer": "numeric",
    "number": "numeric",
    "boolean": "boolean",
    "datetime": "timestamptz",
    "date": "date",
    "raw": "jsonb",
}


def fitting(cases: int, free_bytes: int, *, is_doubled: bool) -> int:
    """As many of `cases` as the disk has room for. RuntimeError where it has for next to none."""
    each = _PEAK_BYTES_A_CASE * (2 if is_doubled else 1)
    room = max(free_bytes - _SPARE_BYTES, 0) // each
    if cases <= room:
        return cases
    if room < FEWEST_CASES:
        least = (FEWEST_CASES * each + _SPARE_BYTES) / (1 << 30)
        raise RuntimeError(
            f"The disk has {free_bytes / (1 << 30):.1f} GB free, and the smallest run takes "
            f"{least:.1f} GB. Free some, or set TSUR_HOME to a folder on a larger disk."
        )
    return room - room % FEWEST_CASES


class WarehouseBench:
    """A scratch server with cases; parts share what was built, each build is made once."""

    def __init__(self, server: PostgresServer, folder: Path, cases: int, told: Told) -> None:
        self._server = server
        self._folder = folder
        self._told = told
        self.warehouse = Warehouse.for_roles_with_one_password(server.url(), server.admin_password)
        self.generator = CaseGenerator(self.warehouse, cases, AS_OF)
        self._peak_disk = 0.0
        self._peak_memory = 0.0

    def prepare(self) -> None:
        self.warehouse.prepare()
        with psycopg.connect(self.warehouse.url("transformer")) as connection:
            ensure_audit(connection)
        begun = time.perf_counter()
        self.generator.prepare()
        made = self.generator.history()
        self._told(
            f"{made.cases:,} cases with {made.events:,} events over {SPAN_DAYS} days: "
            f"{self._raw_bytes() / (1 << 20):,.0f} MB of raw in "
            f"{time.perf_counter() - begun:.0f} s"
        )

    # --- what is measured -----------------------------------------------------------------------

    def build(self) -> Iterator[Measure]:
        """A day of changes against the whole, beyond what a build costs that changes nothing."""
        more = max(self._day - self._nothing, 0.0)
        yield at_most("one_day_against_full", more / self._full, 0.05)

    def extraction(self) -> Iterator[Measure]:
        """The whole against reading the same fields out of `raw`."""
        full = self._full
        seconds = self._median("extraction", self._extract)
        yield at_most("full_against_extraction", full / seconds, 15)

    def charts(self) -> Iterator[Measure]:
        """What the dashboard asks, one client."""
        from stack.bench.charts import measure

        _ = self._full
        yield from measure(self.warehouse, self._told)

    def growth(self) -> Iterator[Measure]:
        """A day of changes when the history is twice as long."""
        once = self._day
        made = self.generator.double()
        self._told(f"{made.cases:,} cases more, of the {SPAN_DAYS} days before")
        self._build("full build, twice the history", "--full-refresh")
        twice = self._days("one day later, twice the history")
        yield at_most("one_day_at_twice_the_history", twice / once, 1.3)

    def resources(self) -> Iterator[Measure]:
        """The most that the builds took."""
        _ = self._full
        yield at_most("peak_disk_against_raw", self._peak_disk, 4)
        yield at_most("postgres_peak_memory", self._peak_memory, 4096, "MB")

    # --- builds ---------------------------------------------------------------------------------

    @cached_property
    def _full(self) -> float:
        return self._build("full build")

    @cached_property
    def _nothing(self) -> float:
        _ = self._full
        title = "build in which nothing changed"
        return self._median(title, lambda: self._build(title))

    @cached_property
    def _day(self) -> float:
        _ = self._nothing
        return self._days("one day later")

    def _days(self, title: str) -> float:
        return self._median(title, lambda: self._one_day(title))

    def _one_day(self, title: str) -> float:
        made = self.generator.day()
        self._told(
            f"one day: {made.cases:,} new cases, {made.changed:,} changed, {made.recent:,} of them "
            "of the last 60 days"
        )
        return self._build(title)

    def _median(self, title: str, step: Callable[[], float]) -> float:
        times = _TIMES if self.generator.cases <= BOUND_CASES else 1
        seconds = [step() for _ in range(times)]
        found = statistics.median(seconds)
        listed = ", ".join(f"{one:.1f}" for one in seconds)
        self._told(f"{title}: {found:.1f} s, the median of {listed}")
        return found

    def _build(self, title: str, *options: str) -> float:
        """Seconds of a build without tests, the start of its process included."""
        environment = {
            **dbt_environment_of(
                self.warehouse.url("transformer"), self._folder / "target", self._folder / "logs"
            ),
            "TSUR_BENCH_URL": self.warehouse.url("transformer"),
            "PYTHONPATH": str(REPOSITORY),
        }
        arguments = [
            *("--project-dir", str(DBT_PROJECT), "--profiles-dir", str(DBT_PROJECT)),
            *("--vars", json.dumps({"as_of": {"*": self.generator.as_of.isoformat()}})),
        ]
        # With another `as_of` dbt reads the whole project anew. A home that goes by the clock has
        # none, so that this is no part of its builds.
        dbt = str(Path(sys.executable).with_name("dbt"))
        run_watched([dbt, "--quiet", "parse", *arguments], environment)
        self._settle()
        postmaster = self._server.process()
        if postmaster is None:
            raise RuntimeError(f"PostgreSQL is gone; its log is {self._server.log_file}")
        command = [sys.executable, "-m", "stack.bench.build", *arguments, *options]
        without_tests = ("--exclude-resource-type", "test", "unit_test")
        # Tables and what sorting spills; the log of the server is bounded by its settings.
        with peaks(postmaster, self._server.data_directory / "base") as seen:
            seconds = run_watched([*command, *without_tests], environment).seconds
        self._peak_disk = max(self._peak_disk, seen.disk_bytes / self._raw_bytes())
        self._peak_memory = max(self._peak_memory, seen.memory_megabytes)
        self._told(
            f"{title}: {seconds:.1f} s, disk {seen.disk_bytes / self._raw_bytes():.2f} × raw, "
            f"memory {seen.memory_megabytes:,.0f} MB"
        )
        for node in last_run(self.warehouse.url("auditor"))[:_TOLD_NODES]:
            self._told(f"  {node['seconds']:8.2f} s  {node['name']}")
        return seconds

    def _extract(self) -> float:
        """Seconds of `create table as` of the newest version of every record, field by field."""
        sources = load_sources(SOURCES_FOLDER, {}).values()
        entities = {one.table: one for source in sources for one in source.entities.values()}
        with psycopg.connect(self.warehouse.url("owner"), autocommit=True) as connection:
            filled = [
                (table, entity)
                for table, entity in sorted(entities.items())
                if connection.execute(f"select 1 from raw.{table} limit 1").fetchone()  # noqa: S608
            ]
            self._settle()
            begun = time.perf_counter()
            for table, entity in filled:
                connection.execute(_extraction(table, entity))
            seconds = time.perf_counter() - begun
            for table, _ in filled:
                connection.execute(f"drop table bench.extracted_{table}")
        return seconds

    def _raw_bytes(self) -> int:
        with psycopg.connect(self.warehouse.url("owner")) as connection:
            row = connection.execute(
                "select sum(pg_total_relation_size(oid))::bigint from pg_class"
                " where relnamespace = 'raw'::regnamespace and relkind = 'r'"
            ).fetchone()
        return int(row[0]) if row else 0

    def _settle(self) -> None:
        """What earlier steps left to be done is done, so that nobody pays for another.

        Builds are a day apart, and autovacuum has been to every table by then; here it would still
        be at the tables of the last build while the next one is measured.
        """
        warehouse = self.warehouse
        with psycopg.connect(
            warehouse.admin_url, dbname=warehouse.database, autocommit=True
        ) as connection:
            connection.execute("vacuum (analyze)")
            connection.execute("checkpoint")


def _extraction(table: str, entity: Entity) -> str:
    fields = ", ".join(f'"{name}" {_TYPES[entity.type_of(name)]}' for name in entity.record)
    return f"""
create table bench.extracted_{table} as
select source.record_key, source.region_code, source.native_id, source.observed_at, fields.*
from (
    select distinct on (record_key) * from raw.{table} order by record_key, raw_id desc
) as source
cross join lateral jsonb_to_record(source.record) as fields ({fields})
"""  # noqa: S608 - names of our own declarations


@contextmanager
def bench(home: Path, cases: int, told: Told, *, is_doubled: bool) -> Iterator[WarehouseBench]:
    """A bench under `home/bench`, which is removed with all it holds."""
    folder = home / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix="warehouse-") as name:
        scratch = Path(name)
        scratch.chmod(0o755)
        server = PostgresServer(scratch, free_port(), secrets.token_urlsafe(16))
        server.create()
        try:
            free = shutil.disk_usage(server.location).free
            room = fitting(cases, free, is_doubled=is_doubled)
            if room < cases:
                told(
                    f"The disk has {free / (1 << 30):.0f} GB free, too little for {cases:,} cases: "
                    f"{room:,} are measured instead."
                )
            server.start()
            one = WarehouseBench(server, scratch, room, told)
            one.prepare()
            yield one
        finally:
            server.remove()


def run(home: Path, parts: Sequence[str], cases: int, told: Told) -> list[Measure]:
    """Measure the named parts in the order of `PARTS`, and then what they took."""
    told(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
    if cases < BOUND_CASES:
        told(
            f"The bounds are those of {BOUND_CASES:,} cases: with {cases:,} a build is mostly the "
            "start of its models, and a ratio may stand beyond its bound."
        )
    with bench(home, cases, told, is_doubled="growth" in parts) as one:
        steps = {
            "build": one.build,
            "extraction": one.extraction,
            "charts": one.charts,
            "growth": one.growth,
        }
        measures = [measure for part in PARTS if part in parts for measure in steps[part]()]
        return [*measures, *one.resources()]
