"""History is filled window by window, with a plan first; what was interrupted goes on.

Every window is a load like any other: fetched once more it changes nothing. The state of each is
committed in `ops.backfill_windows`, so a run that died, was stopped by an error or has used up its
calls is continued by giving the same command again.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Literal

import psycopg
from psycopg.rows import dict_row

from ingestion.errors import IngestionError
from ingestion.ingest import IngestionFailed, ingest, prepare_sources
from ingestion.load import ProgressCallback
from ingestion.source import Region, Source, Window

# What the run_id of every load of a backfill starts with.
BACKFILL_RUN = "backfill"
State = Literal["planned", "skipped", "running", "done", "failed"]
# Windows that are over, of all; then what is being loaded.
BackfillProgress = Callable[[int, int, str], None]

_RATES = """
select region_code, sum(calls_a_day) as calls_a_day, sum(rows_a_day) as rows_a_day
from (
    select region_code, entity, sum(calls) / sum(days) as calls_a_day,
        sum(rows_read) / sum(days) as rows_a_day
    from (
        select region_code, entity, calls, rows_read,
            extract(epoch from window_to - window_from) / 86400 as days
        from ops.loads
        where source_code = %s and outcome = 'success' and window_to > window_from
            and run_id not like 'replay%%'
    ) as windows
    group by region_code, entity
) as entities
group by region_code
"""

_COVERED = """
select bool_and(coalesce(known.covered @> tstzrange(%(start)s, %(end)s), false))
from unnest(%(entities)s::text[]) as e (entity)
cross join lateral (
    select range_agg(tstzrange(window_from, window_to)) as covered
    from ops.loads as l
    where l.source_code = %(source)s and l.region_code = %(region)s and l.entity = e.entity
        and l.outcome = 'success' and l.withdrawn_at is null and l.window_to > l.window_from
) as known
"""


@dataclass(frozen=True, slots=True)
class PlannedWindow:
    """One window of one region. `expected_*` are estimates; rows None when there is no history."""

    region_code: str
    start: datetime
    end: datetime
    state: State
    expected_calls: int
    expected_rows: int | None

    @property
    def is_left(self) -> bool:
        """True when it is still to be loaded."""
        return self.state not in ("done", "skipped")


@dataclass(frozen=True, slots=True)
class Plan:
    """What a backfill will do. `backfill_id` is set when one is continued.

    `basis` tells where the expected calls come from: `history` (calls a day of the source's loads
    so far) or `pages` (the fewest that the source can be asked with).
    """

    source: Source
    region_code: str | None
    first: date
    last: date
    step_days: int
    is_again: bool
    windows: tuple[PlannedWindow, ...]
    basis: Literal["history", "pages"]
    backfill_id: int | None

    @property
    def left(self) -> tuple[PlannedWindow, ...]:
        """The windows still to be loaded, in their order."""
        return tuple(window for window in self.windows if window.is_left)

    @property
    def vanishing(self) -> tuple[str, ...]:
        """Entities of which a record that a window no longer lists becomes a tombstone."""
        return tuple(
            entity.name for entity in self.source.entities.values() if entity.listing != "open"
        )

    def as_dict(self) -> dict[str, Any]:
        """The plan for a table or JSON."""
        rows = [window.expected_rows for window in self.left]
        known = [count for count in rows if count is not None]
        return {
            "source_code": self.source.code,
            "region_code": self.region_code,
            "from": self.first.isoformat(),
            "to": self.last.isoformat(),
            "step_days": self.step_days,
            "backfill_id": self.backfill_id,
            "windows": len(self.windows),
            "windows_left": len(self.left),
            "windows_skipped": sum(window.state == "skipped" for window in self.windows),
            "expected_calls": sum(window.expected_calls for window in self.left),
            "expected_rows": sum(known) if len(known) == len(rows) else None,
            "basis": self.basis,
            "vanishing_entities": list(self.vanishing),
        }


@dataclass(frozen=True, slots=True)
class Backfilled:
    """How a run of a backfill ended. `stopped` says why windows are left: error, calls or None."""

    backfill_id: int
    done: int
    failed: int
    skipped: int
    left: int
    calls: int
    rows_read: int
    rows_landed: int
    stopped: Literal["error", "calls"] | None

    def as_dict(self) -> dict[str, Any]:
        """The same, field by field."""
        return asdict(self)


def plan(
    source: Source,
    *,
    database_url: str,
    first: date,
    last: date,
    region: str | None = None,
    step_days: int | None = None,
    is_again: bool = False,
) -> Plan:
    """What filling the local days `first` ≤ day < `last` means; nothing is changed.

    Windows have `step_days` days, by default as many as the source gives at once. Those that
    earlier loads cover are skipped, unless `is_again`. A backfill of the same days that was not
    finished is continued.

    Raises IngestionError: the source is not enabled, has no such region, or is read as a whole.
    """
    if not source.is_enabled:
        needed = ", ".join(sorted(source.missing_variables))
        raise IngestionError("source_not_enabled", f"{source.code} needs {needed}")
    if source.window is None:
        raise IngestionError("no_windows", f"Source {source.code}")
    if first >= last:
        raise IngestionError("empty_period", f"{first} is not before {last}")
    regions = source.regions if region is None else (source.region(region),)
    step = step_days or min(source.dialect_of(one).max_window_days for one in regions)
    with psycopg.connect(database_url) as connection:
        backfill_id = _unfinished(connection, source, region, first, last, step, is_again)
        states = _states(connection, backfill_id)
        rates = {
            region_code: (float(calls), float(rows))
            for region_code, calls, rows in connection.execute(_RATES, [source.code])
        }
        windows = []
        for one in regions:
            for window in _windows(one, first, last, step):
                state = states.get((one.code, window.start))
                if state is None:
                    is_known = _is_covered(connection, source, one, window)
                    state = "skipped" if is_known and not is_again else "planned"
                windows.append(_expected(source, one, window, state, rates))
    basis: Literal["history", "pages"] = "history" if rates else "pages"
    return Plan(source, region, first, last, step, is_again, tuple(windows), basis, backfill_id)


def run(
    plan: Plan,
    *,
    database_url: str,
    vault_key: str | bytes | Path,
    by: str,
    max_calls: int | None = None,
    stop_on_error: bool = False,
    progress: BackfillProgress | None = None,
    rows_progress: ProgressCallback | None = None,
) -> Backfilled:
    """Load what is left of a plan, window after window; returns how far it came.

    A window that fails leaves its reason and the others go on, unless `stop_on_error`. No window
    is begun that is expected to exceed `max_calls` calls in this run, by the plan and by what
    those before it took. Raises IngestionError `backfill_running` when another process is at the
    same backfill.
    """
    prepare_sources(database_url, [plan.source])
    used = asked = rows_read = rows_landed = 0
    stopped: Literal["error", "calls"] | None = None
    with psycopg.connect(database_url, autocommit=True) as connection:
        backfill_id = plan.backfill_id or _begin(connection, plan, by)
        with _alone(connection, backfill_id):
            over = len(plan.windows) - len(plan.left)
            for window in plan.left:
                what = f"{window.region_code} {window.start:%Y-%m-%d}"
                if progress is not None:
                    progress(over, len(plan.windows), what)
                # Before a source has been asked, what is expected is the fewest possible.
                expected = max(window.expected_calls, math.ceil(used / asked) if asked else 0)
                if max_calls is not None and used + expected > max_calls:
                    stopped = "calls"
                    break
                counts = _load(
                    connection, backfill_id, plan, window, database_url, vault_key, rows_progress
                )
                used += counts["calls"]
                asked += 1
                rows_read += counts["rows_read"]
                rows_landed += counts["rows_landed"]
                over += 1
                if counts["failed"] and stop_on_error:
                    stopped = "error"
                    break
            if progress is not None:
                progress(over, len(plan.windows), "")
            states = Counter(_states(connection, backfill_id).values())
            left = states["planned"] + states["running"] + states["failed"]
            if not left:
                connection.execute(
                    "update ops.backfills set finished_at = clock_timestamp()"
                    " where backfill_id = %s",
                    [backfill_id],
                )
    return Backfilled(
        backfill_id=backfill_id,
        done=states["done"],
        failed=states["failed"],
        skipped=states["skipped"],
        left=left,
        calls=used,
        rows_read=rows_read,
        rows_landed=rows_landed,
        stopped=stopped,
    )


def failures(database_url: str, backfill_id: int) -> list[dict[str, Any]]:
    """The windows of a backfill that failed, with the reason of the last attempt."""
    with psycopg.connect(database_url, row_factory=dict_row) as connection:
        return connection.execute(
            "select region_code, window_from, window_to, attempts, error_class, error_message"
            " from ops.backfill_windows where backfill_id = %s and state = 'failed'"
            " order by region_code, window_from",
            [backfill_id],
        ).fetchall()


# --- windows -------------------------------------------------------------------------------------


def _windows(region: Region, first: date, last: date, step_days: int) -> Iterator[Window]:
    """Windows of whole local days; a day of a clock change is shorter or longer."""

    def midnight(day: date) -> datetime:
        return datetime.combine(day, time.min, tzinfo=region.zone)

    start = first
    while start < last:
        end = min(start + timedelta(days=step_days), last)
        yield Window(midnight(start), midnight(end))
        start = end


def _is_covered(
    connection: psycopg.Connection[Any], source: Source, region: Region, window: Window
) -> bool:
    """True when standing loads of every entity cover the window."""
    row = connection.execute(
        _COVERED,
        {
            "source": source.code,
            "region": region.code,
            "entities": list(source.entities),
            "start": window.start,
            "end": window.end,
        },
    ).fetchone()
    return row is not None and bool(row[0])


def _expected(
    source: Source,
    region: Region,
    window: Window,
    state: State,
    rates: dict[str, tuple[float, float]],
) -> PlannedWindow:
    days = (window.end - window.start) / timedelta(days=1)
    at_once = source.dialect_of(region).max_window_days
    fewest = len(source.entities) * math.ceil(days / at_once)
    calls, rows = fewest, None
    if rates:
        # A region without loads of its own is taken for an average one.
        known = [rates[region.code]] if region.code in rates else list(rates.values())
        calls = max(
            math.ceil(days * sum(one for one, _ in known) / len(known)), len(source.entities)
        )
        rows = round(days * sum(one for _, one in known) / len(known))
    return PlannedWindow(region.code, window.start, window.end, state, calls, rows)


# --- state ---------------------------------------------------------------------------------------


def _unfinished(
    connection: psycopg.Connection[Any],
    source: Source,
    region: str | None,
    first: date,
    last: date,
    step_days: int,
    is_again: bool,
) -> int | None:
    row = connection.execute(
        """
        select backfill_id from ops.backfills
        where source_code = %s and region_code is not distinct from %s and first_date = %s
            and last_date = %s and step_days = %s and is_again = %s and finished_at is null
        order by backfill_id desc
        limit 1
        """,
        [source.code, region, first, last, step_days, is_again],
    ).fetchone()
    return None if row is None else int(row[0])


def _states(
    connection: psycopg.Connection[Any], backfill_id: int | None
) -> dict[tuple[str, datetime], State]:
    found = connection.execute(
        "select region_code, window_from, state from ops.backfill_windows where backfill_id = %s",
        [backfill_id],
    )
    return {(row[0], row[1]): row[2] for row in found}


def _begin(connection: psycopg.Connection[Any], plan: Plan, by: str) -> int:
    with connection.transaction(), connection.cursor() as cursor:
        row = cursor.execute(
            """
            insert into ops.backfills
                (source_code, region_code, first_date, last_date, step_days, is_again, started_by)
            values (%s, %s, %s, %s, %s, %s, %s) returning backfill_id
            """,
            [
                plan.source.code,
                plan.region_code,
                plan.first,
                plan.last,
                plan.step_days,
                plan.is_again,
                by,
            ],
        ).fetchone()
        if row is None:
            raise psycopg.InternalError("insert … returning gave no row")
        cursor.executemany(
            "insert into ops.backfill_windows"
            " (backfill_id, region_code, window_from, window_to, state)"
            " values (%s, %s, %s, %s, %s)",
            [
                (row[0], window.region_code, window.start, window.end, window.state)
                for window in plan.windows
            ],
        )
        return int(row[0])


@contextmanager
def _alone(connection: psycopg.Connection[Any], backfill_id: int) -> Iterator[None]:
    """One process at a time; the lock ends with the connection, however that ends."""
    row = connection.execute(
        "select pg_try_advisory_lock(hashtext('ingestion.backfill'), %s)", [backfill_id]
    ).fetchone()
    if row is None or not row[0]:
        raise IngestionError("backfill_running", f"Backfill {backfill_id}")
    yield


def _load(
    connection: psycopg.Connection[Any],
    backfill_id: int,
    plan: Plan,
    window: PlannedWindow,
    database_url: str,
    vault_key: str | bytes | Path,
    progress: ProgressCallback | None,
) -> Counter[str]:
    """One window: its state before and after is committed."""
    key = [backfill_id, window.region_code, window.start]
    connection.execute(
        "update ops.backfill_windows set state = 'running', attempts = attempts + 1"
        " where backfill_id = %s and region_code = %s and window_from = %s",
        key,
    )
    error_class = error_message = None
    try:
        loads = ingest(
            plan.source,
            database_url=database_url,
            vault_key=vault_key,
            region=window.region_code,
            window=Window(window.start, window.end),
            run_id=f"{BACKFILL_RUN} {backfill_id}",
            progress=progress,
        )
    except IngestionFailed as failure:
        loads = failure.loads
        broken = next(load for load in loads if load.outcome == "failed")
        error_class, error_message = broken.error_class, broken.error_message
    counts: Counter[str] = Counter(failed=int(error_class is not None))
    for load in loads:
        counts.update(load.as_dict())
    connection.execute(
        """
        update ops.backfill_windows
        set state = %s, calls = calls + %s, rows_read = %s, rows_landed = %s, error_class = %s,
            error_message = %s, finished_at = clock_timestamp()
        where backfill_id = %s and region_code = %s and window_from = %s
        """,
        [
            "failed" if error_class else "done",
            counts["calls"],
            counts["rows_read"],
            counts["rows_landed"],
            error_class,
            error_message,
            *key,
        ],
    )
    return counts
