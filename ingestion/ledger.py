"""The ledger: every attempt to load leaves a row in `ops.loads`, failed and killed ones too.

Beside it stands what is expected: `ops.expected_loads`, from the declarations of the sources.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

import psycopg
from psycopg.types.json import Jsonb

from ingestion.errors import ERROR_TEXTS, LEFT_ASIDE, IngestionError, describe, storable
from ingestion.source import Source, Window
from ingestion.vault import UNIT


@dataclass(frozen=True, slots=True)
class LoadCounts:
    """What one load did. For a success: read = landed + unchanged + quarantined."""

    load_id: int
    source_code: str
    entity: str
    region_code: str
    file_name: str | None
    outcome: str = "running"
    rows_read: int = 0
    rows_landed: int = 0
    rows_unchanged: int = 0
    rows_quarantined: int = 0
    rows_tombstoned: int = 0
    bytes_read: int = 0
    calls: int = 0
    seconds: float = 0.0
    error_class: str | None = None
    error_message: str | None = None

    @property
    def is_balanced(self) -> bool:
        """True when every row that was read is accounted for."""
        return self.rows_read == self.rows_landed + self.rows_unchanged + self.rows_quarantined

    @property
    def is_left_aside(self) -> bool:
        """True for a file that nobody asked for: it is named, and the run goes on."""
        return self.error_class in LEFT_ASIDE

    def as_dict(self) -> dict[str, int]:
        """The counts that may be added up over loads."""
        return {
            name: getattr(self, name)
            for name in (
                "rows_read",
                "rows_landed",
                "rows_unchanged",
                "rows_quarantined",
                "rows_tombstoned",
                "bytes_read",
                "calls",
            )
        }

    def failed(self, error: BaseException) -> LoadCounts:
        """The same load, ended by an error."""
        code, message = explain(error)
        return replace(self, outcome="failed", error_class=code, error_message=message)


def explain(error: BaseException) -> tuple[str, str]:
    """Code and sentence of any error, without what foreign exceptions may quote."""
    if isinstance(error, IngestionError):
        return error.code, str(error)
    if isinstance(error, psycopg.Error):
        # The primary message only: the detail of a database error quotes row values.
        primary = error.diag.message_primary or type(error).__name__
        return "internal", describe("internal", f"{type(error).__name__}: {primary}")
    return "internal", describe("internal", type(error).__name__)


def lock(connection: psycopg.Connection, source_code: str, entity: str, region_code: str) -> None:
    """Wait until nobody else loads this entity of this region; ends with the connection."""
    connection.execute(
        "select pg_advisory_lock(hashtextextended(%s, 0))",
        [UNIT.join(("load", source_code, entity, region_code))],
    )


def unlock(connection: psycopg.Connection, source_code: str, entity: str, region_code: str) -> None:
    """Let the next one in."""
    connection.execute(
        "select pg_advisory_unlock(hashtextextended(%s, 0))",
        [UNIT.join(("load", source_code, entity, region_code))],
    )


def start(
    connection: psycopg.Connection,
    *,
    run_id: str,
    source_code: str,
    entity: str,
    region_code: str,
    window: Window | None,
    file_name: str | None,
    file_sha256: str | None,
) -> tuple[int, datetime]:
    """Open an attempt and commit it: its number and its time. The caller holds the lock.

    Under the lock a `running` attempt of the same entity and region has no process any more:
    it becomes `interrupted`.
    """
    connection.execute(
        """
        update ops.loads
        set outcome = 'interrupted', finished_at = clock_timestamp(),
            error_class = 'interrupted', error_message = %s
        where source_code = %s and entity = %s and region_code = %s and outcome = 'running'
        """,
        [
            f"{ERROR_TEXTS['interrupted'].happened} {ERROR_TEXTS['interrupted'].remedy}",
            source_code,
            entity,
            region_code,
        ],
    )
    row = connection.execute(
        """
        insert into ops.loads
            (run_id, source_code, entity, region_code, window_from, window_to,
             file_name, file_sha256)
        values (%s, %s, %s, %s, %s, %s, %s, %s)
        returning load_id, started_at
        """,
        [
            run_id,
            source_code,
            entity,
            region_code,
            window.start if window else None,
            window.end if window else None,
            file_name,
            file_sha256,
        ],
    ).fetchone()
    if row is None:
        raise psycopg.InternalError("insert … returning gave no row")
    return row[0], row[1]


def finish(
    connection: psycopg.Connection,
    counts: LoadCounts,
    *,
    unknown_columns: tuple[str, ...] = (),
    found: Mapping[str, str] | None = None,
) -> None:
    """Close an attempt. Called within the transaction that lands its rows.

    `found` is what was detected of the form of a file: encoding, separator, sheet, layout.
    """
    connection.execute(
        """
        update ops.loads
        set outcome = %s, finished_at = clock_timestamp(), rows_read = %s, rows_landed = %s,
            rows_unchanged = %s, rows_quarantined = %s, rows_tombstoned = %s, bytes_read = %s,
            calls = %s, error_class = %s, error_message = %s, unknown_columns = %s,
            found = %s
        where load_id = %s
        """,
        [
            counts.outcome,
            counts.rows_read,
            counts.rows_landed,
            counts.rows_unchanged,
            counts.rows_quarantined,
            counts.rows_tombstoned,
            counts.bytes_read,
            counts.calls,
            counts.error_class,
            None if counts.error_message is None else storable(counts.error_message),
            [storable(name) for name in unknown_columns],
            Jsonb({name: storable(value) for name, value in (found or {}).items()}),
            counts.load_id,
        ],
    )


def started_at(connection: psycopg.Connection, load_id: int) -> datetime:
    """When a load began. Raises IngestionError when the ledger does not know it."""
    row = connection.execute(
        "select started_at from ops.loads where load_id = %s", [load_id]
    ).fetchone()
    if row is None:
        raise IngestionError("unknown_load", f"Load {load_id}")
    moment: datetime = row[0]
    return moment


def is_superseded(
    connection: psycopg.Connection,
    source_code: str,
    entity: str,
    region_code: str,
    load_id: int,
) -> bool:
    """True when a later load of the same entity and region succeeded."""
    row = connection.execute(
        "select exists (select 1 from ops.loads where source_code = %s and entity = %s"
        " and region_code = %s and load_id > %s and outcome = 'success' and withdrawn_at is null)",
        [source_code, entity, region_code, load_id],
    ).fetchone()
    return row is not None and bool(row[0])


def watermark(
    connection: psycopg.Connection, source_code: str, entity: str, region_code: str
) -> datetime | None:
    """Up to when this entity of this region is known; None before the first load."""
    row = connection.execute(
        "select watermark_at from ops.watermarks"
        " where source_code = %s and entity = %s and region_code = %s",
        [source_code, entity, region_code],
    ).fetchone()
    return None if row is None else row[0]


def advance(
    connection: psycopg.Connection,
    source_code: str,
    entity: str,
    region_code: str,
    watermark_at: datetime,
    load_id: int,
) -> None:
    """Move the watermark forward; it never goes back."""
    connection.execute(
        """
        insert into ops.watermarks as known
            (source_code, entity, region_code, watermark_at, load_id)
        values (%s, %s, %s, %s, %s)
        on conflict (source_code, entity, region_code) do update
        set watermark_at = excluded.watermark_at, load_id = excluded.load_id,
            updated_at = clock_timestamp()
        where known.watermark_at < excluded.watermark_at
        """,
        [source_code, entity, region_code, watermark_at, load_id],
    )


def expect_loads(connection: psycopg.Connection, sources: Iterable[Source]) -> int:
    """Make `ops.expected_loads` say what these sources declare, and nothing else.

    One row for each entity and region of an enabled source; returns how many there are. A row
    that was there keeps the time since which the load is expected. Runs in a transaction.
    """
    expected = [
        (
            *(source.code, entity.name, region.code),
            *(source.description.ru, entity.kind or entity.role, region.time_zone, source.owner),
            *(source.freshness.warn_hours, source.freshness.error_hours),
        )
        for source in sources
        if source.is_enabled
        for entity in source.entities.values()
        for region in source.regions
    ]
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute("lock table ops.expected_loads in share row exclusive mode")
        cursor.execute(
            """
            delete from ops.expected_loads where (source_code, entity, region_code) not in (
                select * from unnest(%s::text[], %s::text[], %s::text[])
            )
            """,
            [[row[part] for row in expected] for part in range(3)],
        )
        cursor.executemany(
            """
            insert into ops.expected_loads
                (source_code, entity, region_code, source_name, record_kind, time_zone, owner,
                 warn_hours, error_hours)
            values (%s, %s, %s, %s, %s, %s, %s, %s, %s)
            on conflict (source_code, entity, region_code) do update set
                source_name = excluded.source_name, record_kind = excluded.record_kind,
                time_zone = excluded.time_zone, owner = excluded.owner,
                warn_hours = excluded.warn_hours, error_hours = excluded.error_hours
            """,
            expected,
        )
    return len(expected)
