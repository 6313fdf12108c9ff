"""A load is taken back: the warehouse is then as though it had never been run.

What the load landed is set aside in `ops.withdrawn_rows`, so the version before is the latest one
again. Later loads are held to what they saw: a version that a later load found unchanged stays,
under that load; a later version that only undid the withdrawn one is a repetition and is set
aside too; a tombstone carries the version that vanished without the withdrawn load. This needs to
know which records a later load saw without landing them, so every load remembers the keys
(`remember`). Where it is not known, the later loads must be withdrawn too, the newest first, and
loaded again.

The counts of every load stay as they were; `ops.withdrawal_effects` says by how much the rows in
`raw` differ from them. Identities stay in the vault: the evidence refers to them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import namedtuple_row

from ingestion import ledger
from ingestion.errors import IngestionError

_REPLAY = "replay%"
_KEYS_PER_PART = 100_000
_LOADS_NAMED = 10

_REMEMBER = """
insert into ops.sightings (load_id, part, is_unchanged, record_keys)
select
    %(load)s, row_number() over (order by is_unchanged, chunk), is_unchanged, array_agg(record_key)
from (
    select
        record_key,
        is_unchanged,
        (row_number() over (partition by is_unchanged) - 1) / {chunk} as chunk
    from ({seen}) as seen
) as parts
group by is_unchanged, chunk
"""

_SEEN = """
select record_key, true as is_unchanged from landing_unchanged
union all
select distinct p.record_key, false as is_unchanged
from landing_present as p
where not exists (select 1 from landing_keys as k where k.record_key = p.record_key)
"""

# One row a record of the withdrawn load, with what is known of it before and after. Only the first
# later load that saw the record counts: from then on all is as it was.
_STORY = """
create temporary table withdrawn_story on commit drop as
with gone as (
    select record_key, max(raw_id) as last_raw_id
    from {table} where load_id = %(load)s
    group by record_key
),

later as (
    select load_id, absence, window_from, window_to
    from ops.loads
    where
        source_code = %(source)s and entity = %(entity)s and region_code = %(region)s
        and load_id > %(load)s and withdrawn_at is null and outcome in ('success', 'failed')
),

known as (
    select gone.*, last.payload_hash as last_hash, last.is_deleted as was_tombstone,
        before.raw_id as before_raw_id, before.payload_hash as before_hash,
        coalesce(not before.is_deleted, false) as was_known,
        (before.record ->> 'received_at')::timestamptz as before_received_at
    from gone
    inner join {table} as last on last.raw_id = gone.last_raw_id
    left join lateral (
        select r.raw_id, r.payload_hash, r.is_deleted, r.record
        from {table} as r
        where r.record_key = gone.record_key and r.load_id < %(load)s
        order by r.raw_id + 0 desc
        limit 1
    ) as before on true
),

landed as (
    select r.record_key, r.raw_id, r.load_id, r.payload_hash, r.is_deleted
    from {table} as r
    inner join gone on gone.record_key = r.record_key
    where r.load_id > %(load)s
),

sighted as (
    select gone.record_key, sightings.load_id, sightings.is_unchanged
    from ops.sightings
    inner join later on later.load_id = sightings.load_id
    cross join lateral unnest(sightings.record_keys) as listed (record_key)
    inner join gone on gone.record_key = listed.record_key
),

seen as (
    select distinct on (record_key) record_key, load_id, raw_id, payload_hash
    from (
        select record_key, load_id, raw_id, payload_hash from landed where not is_deleted
        union all
        select record_key, load_id, null, null from sighted where is_unchanged
    ) as sights
    order by record_key asc, load_id asc, raw_id asc nulls last
),

vanished as (
    select distinct on (known.record_key) known.record_key, later.load_id
    from known
    cross join later
    left join seen on seen.record_key = known.record_key
    where
        known.was_known
        and (seen.load_id is null or later.load_id < seen.load_id)
        and (
            later.absence = 'complete'
            or (
                later.absence = 'window'
                and known.before_received_at >= later.window_from
                and known.before_received_at < later.window_to
            )
        )
        and not exists (
            select 1 from sighted
            where sighted.record_key = known.record_key and sighted.load_id = later.load_id
        )
    order by known.record_key asc, later.load_id asc
),

tombstones as (
    select distinct on (landed.record_key) landed.record_key, landed.raw_id, landed.load_id
    from landed
    left join seen on seen.record_key = landed.record_key
    where landed.is_deleted and (seen.load_id is null or landed.load_id < seen.load_id)
    order by landed.record_key asc, landed.raw_id asc
)

select
    known.record_key, known.last_raw_id, known.was_tombstone, known.before_raw_id, known.was_known,
    seen.load_id as seen_load_id,
    seen.raw_id as seen_raw_id,
    vanished.load_id as vanished_load_id,
    tombstones.raw_id as tombstone_raw_id,
    -- Without the withdrawn load the sight of it would have landed.
    seen.load_id is not null and not (
        known.was_known and vanished.load_id is null
        and known.before_hash = coalesce(seen.payload_hash, known.last_hash)
    ) as is_landing
from known
left join seen on seen.record_key = known.record_key
left join vanished on vanished.record_key = known.record_key
left join tombstones on tombstones.record_key = known.record_key
"""

# Rows take the place of those that they stand for: raw_id is the order of the versions.
_GIVEN = """
create temporary table withdrawn_given on commit drop as
select
    coalesce(story.tombstone_raw_id, story.last_raw_id) as raw_id, before.record_key,
    before.source_code, before.region_code, before.native_id, before.payload, before.record,
    before.payload_hash, given.observed_at, before.source_changed_at, given.load_id,
    given.file_sha256, true as is_deleted
from withdrawn_story as story
inner join {table} as before on before.raw_id = story.before_raw_id
inner join ops.loads as given on given.load_id = story.vanished_load_id
union all
select
    last.raw_id, last.record_key, last.source_code, last.region_code, last.native_id, last.payload,
    last.record, last.payload_hash, given.observed_at, last.source_changed_at, given.load_id,
    given.file_sha256, false as is_deleted
from withdrawn_story as story
inner join {table} as last on last.raw_id = story.last_raw_id
inner join ops.loads as given on given.load_id = story.seen_load_id
where story.is_landing and story.seen_raw_id is null
"""

_GIVE = """
insert into {table}
    (raw_id, record_key, source_code, region_code, native_id, payload, record, payload_hash,
     observed_at, source_changed_at, load_id, file_sha256, is_deleted)
overriding system value
select
    raw_id, record_key, source_code, region_code, native_id, payload, record, payload_hash,
    observed_at, source_changed_at, load_id, file_sha256, is_deleted
from withdrawn_given
order by raw_id
"""

# A repetition that is set aside is a sight of the version before.
_REPEATED_ARE_SEEN = """
insert into ops.sightings (load_id, part, is_unchanged, record_keys)
select
    story.seen_load_id,
    coalesce(
        (select max(part) from ops.sightings where load_id = story.seen_load_id), 0
    ) + 1,
    true,
    array_agg(story.record_key)
from withdrawn_story as story
where story.seen_raw_id is not null and not story.is_landing
group by story.seen_load_id
"""

_EFFECTS = """
insert into ops.withdrawal_effects (withdrawn_load_id, load_id, rows_set_aside, rows_given)
select %(load)s, load_id, sum(set_aside), sum(given)
from (
    select load_id, count(*) as set_aside, 0 as given from ops.withdrawn_rows
    where withdrawn_load_id = %(load)s group by load_id
    union all
    select load_id, 0, count(*) from withdrawn_given group by load_id
) as changes
group by load_id
"""

_NOT_FOLLOWED = """
with later as (
    select * from ops.loads
    where
        source_code = %(source)s and entity = %(entity)s and region_code = %(region)s
        and load_id > %(load)s and withdrawn_at is null
        and (outcome = 'success' or outcome = 'failed' and rows_read > 0)
)
select load_id from later where observed_at is null or is_stale
union
select later.load_id from later
inner join ops.quarantine as entry on entry.replayed_load_id = later.load_id
where entry.load_id = %(load)s or entry.is_whole_answer
"""

# A replay lands what is older than the version that stands, a load what is newer: what the one saw
# of the withdrawn records cannot be told. And two rows cannot take the place of one.
_ENTANGLED = """
select seen_load_id from withdrawn_story
where
    vanished_load_id is not null and tombstone_raw_id is null and not was_tombstone
    and is_landing and seen_raw_id is null
union
select later.load_id from ops.loads as later
where
    later.source_code = %(source)s and later.entity = %(entity)s
    and later.region_code = %(region)s and later.load_id > %(load)s
    and later.withdrawn_at is null and later.run_id like %(replay)s
    and (
        exists (
            select 1 from {table} as r
            inner join withdrawn_story as story on story.record_key = r.record_key
            where r.load_id = later.load_id
        )
        or exists (
            select 1 from ops.sightings
            cross join lateral unnest(sightings.record_keys) as listed (record_key)
            inner join withdrawn_story as story on story.record_key = listed.record_key
            where sightings.load_id = later.load_id
        )
    )
"""

# An entry that a standing load met too stays open. Of the loads between the first and the last that
# met it, the sightings tell for records with a key; otherwise the benefit of the doubt keeps it.
_TAKE_ENTRIES_BACK = """
update ops.quarantine as entry set state = 'withdrawn'
where
    %(load)s in (entry.load_id, entry.last_load_id)
    and entry.state = 'open'
    and not exists (
        select 1 from ops.loads as met
        where
            met.source_code = entry.source_code and met.entity = entry.entity
            and met.region_code = entry.region_code
            and met.load_id between entry.load_id and entry.last_load_id
            and met.withdrawn_at is null and met.run_id not like %(replay)s
            and met.rows_quarantined > 0
            and (
                met.load_id in (entry.load_id, entry.last_load_id)
                or entry.native_id is null
                or entry.error_code in ('repeated_key', 'older_than_known')
                or exists (
                    select 1 from ops.sightings
                    where
                        sightings.load_id = met.load_id and not sightings.is_unchanged
                        and encode(substring(sha256(convert_to(
                            concat_ws(
                                chr(31), entry.source_code, entry.region_code, entry.entity,
                                entry.native_id
                            ), 'UTF8'
                        )) from 1 for 16), 'hex')::uuid = any(sightings.record_keys)
                )
            )
    )
"""

# What the withdrawn load was a replay of waits again, unless the same record came back meanwhile.
_REOPEN_ENTRIES = """
update ops.quarantine as entry
set
    replayed_load_id = null,
    state = case
        when brought.withdrawn_at is not null
            or exists (
                select 1 from ops.quarantine as other
                where other.fingerprint = entry.fingerprint and other.state = 'open'
            ) then 'withdrawn'
        else 'open'
    end
from ops.loads as brought
where entry.replayed_load_id = %(load)s and brought.load_id = entry.load_id
"""

_WATERMARK_BEFORE = """
select load_id, coalesce(watermark_at, window_to, started_at) as watermark_at
from ops.loads
where
    source_code = %(source)s and entity = %(entity)s and region_code = %(region)s
    and outcome = 'success' and withdrawn_at is null and run_id not like %(replay)s
order by watermark_at desc, load_id asc
limit 1
"""


def remember(
    connection: psycopg.Connection[Any],
    *,
    load_id: int,
    observed_at: datetime,
    is_stale: bool,
    absence: str | None,
) -> None:
    """Keep what a load saw without landing it, so that an earlier one can be withdrawn.

    Called in the transaction of the load, after its rows have landed, while the temporary tables
    `landing_keys`, `landing_unchanged` and `landing_present` are there. `absence` is what not
    being listed meant (`complete`, `window` or None).
    """
    connection.execute(
        "update ops.loads set observed_at = %s, is_stale = %s, absence = %s where load_id = %s",
        [observed_at, is_stale, absence, load_id],
    )
    query = sql.SQL(_REMEMBER).format(chunk=sql.Literal(_KEYS_PER_PART), seen=sql.SQL(_SEEN))
    connection.execute(query, {"load": load_id})


def forget_sightings(connection: psycopg.Connection[Any], before: datetime) -> int:
    """Delete what loads that began before a moment saw; returns how many loads that were.

    An older load can then be withdrawn only with all those after it.
    """
    return connection.execute(
        """
        with old as (
            update ops.loads set observed_at = null
            where started_at < %s and observed_at is not null
            returning load_id
        ), gone as (
            delete from ops.sightings using old where sightings.load_id = old.load_id
        )
        select 1 from old
        """,
        [before],
    ).rowcount


@dataclass(frozen=True, slots=True)
class WithdrawnLoad:
    """What taking back one load changes, in records (`restored`, `unknown_again`) and rows."""

    load_id: int
    source_code: str
    entity: str
    region_code: str
    window_from: datetime | None
    window_to: datetime | None
    file_name: str | None
    set_aside: int
    restored: int
    unknown_again: int
    kept_for_later_loads: int
    quarantine_entries: int
    watermark_before: datetime | None
    watermark_after: datetime | None

    def as_dict(self) -> dict[str, Any]:
        """The same, field by field, for a table or JSON."""
        return asdict(self)


def plan(database_url: str, load_id: int, *, with_later: bool = False) -> list[WithdrawnLoad]:
    """What `withdraw` would do, load by load in its order; nothing is changed.

    The withdrawal is carried out and rolled back, so the numbers are those of the real one.
    """
    return _withdraw(database_url, load_id, "plan", "plan", with_later, is_plan=True)


def withdraw(
    database_url: str, load_id: int, *, by: str, reason: str, with_later: bool = False
) -> list[WithdrawnLoad]:
    """Take a load back; with `with_later` also the later loads that cannot be told from it.

    All in one transaction, the newest load first. `by` and `reason` stay in the ledger. The marts
    follow at the next build. Waits for a load of the same entity and region that is running.

    Raises IngestionError: `unknown_load`, `load_not_withdrawable` (already withdrawn, running or
    interrupted), `later_loads_depend` with the numbers of those loads.
    """
    return _withdraw(database_url, load_id, by, reason, with_later, is_plan=False)


def _withdraw(
    database_url: str, load_id: int, by: str, reason: str, with_later: bool, *, is_plan: bool
) -> list[WithdrawnLoad]:
    done: list[WithdrawnLoad] = []
    with (
        psycopg.connect(database_url, autocommit=True, row_factory=namedtuple_row) as connection,
        _locked(connection, load_id),
        connection.transaction(force_rollback=is_plan),
    ):
        _take_back(connection, load_id, by, reason, with_later, done)
    return done


@contextmanager
def _locked(connection: psycopg.Connection[Any], load_id: int) -> Iterator[None]:
    load = _load(connection, load_id)
    names = load.source_code, load.entity, load.region_code
    ledger.lock(connection, *names)
    try:
        yield
    finally:
        if not connection.closed:
            ledger.unlock(connection, *names)


def _load(connection: psycopg.Connection[Any], load_id: int) -> Any:
    row = connection.execute("select * from ops.loads where load_id = %s", [load_id]).fetchone()
    if row is None:
        raise IngestionError("unknown_load", f"Load {load_id}")
    return row


def _take_back(
    connection: psycopg.Connection[Any],
    load_id: int,
    by: str,
    reason: str,
    with_later: bool,
    done: list[WithdrawnLoad],
) -> None:
    """Withdraw a load after those later ones that cannot be told from it."""
    load = _load(connection, load_id)
    if load.withdrawn_at is not None or load.outcome not in ("success", "failed"):
        state = "withdrawn already" if load.withdrawn_at is not None else load.outcome
        raise IngestionError("load_not_withdrawable", f"Load {load_id} is {state}")
    work = _Withdrawal(connection, load)
    while later := work.entangled():
        if not with_later:
            named = ", ".join(str(one) for one in later[:_LOADS_NAMED])
            more = f" and {len(later) - _LOADS_NAMED} more" if len(later) > _LOADS_NAMED else ""
            raise IngestionError("later_loads_depend", f"Load {load_id}; later ones: {named}{more}")
        _take_back(connection, later[-1], by, reason, with_later, done)
        work = _Withdrawal(connection, load)
    done.append(work.carry_out(by, reason))


class _Withdrawal:
    """One load on its way out, in the caller's transaction."""

    def __init__(self, connection: psycopg.Connection[Any], load: Any) -> None:
        self._connection = connection
        self._load = load
        self._parameters = {
            "load": load.load_id,
            "source": load.source_code,
            "entity": load.entity,
            "region": load.region_code,
            "replay": _REPLAY,
        }
        self._table_name = self._find_table()
        connection.execute("drop table if exists withdrawn_story, withdrawn_given")
        if self._table_name is not None:
            self._execute(_STORY)
            connection.execute("analyze withdrawn_story")

    def _find_table(self) -> str | None:
        """The raw table that holds rows of the load; None when it landed nothing."""
        tables = self._connection.execute(
            "select tablename from pg_tables where schemaname = 'raw' order by tablename"
        ).fetchall()
        for (name,) in tables:
            query = sql.SQL("select exists (select 1 from {} where load_id = %s)")
            found = self._connection.execute(
                query.format(sql.Identifier("raw", name)), [self._load.load_id]
            ).fetchone()
            if found is not None and found[0]:
                return str(name)
        return None

    def _execute(self, statement: str) -> psycopg.Cursor[Any]:
        table = sql.Identifier("raw", self._table_name or "")
        return self._connection.execute(sql.SQL(statement).format(table=table), self._parameters)

    def entangled(self) -> list[int]:
        """Later loads whose sight of the same records cannot be told; the newest last."""
        found = {row[0] for row in self._execute(_NOT_FOLLOWED)}
        if self._table_name is not None:
            found |= {row[0] for row in self._execute(_ENTANGLED)}
        return sorted(found)

    def carry_out(self, by: str, reason: str) -> WithdrawnLoad:
        load = self._load
        self._connection.execute(
            "update ops.loads set withdrawn_at = clock_timestamp(), withdrawn_by = %s,"
            " withdrawn_reason = %s where load_id = %s",
            [by, reason, load.load_id],
        )
        set_aside = restored = unknown_again = given = 0
        if self._table_name is not None:
            self._execute(_GIVEN)
            set_aside = self._set_aside()
            self._execute(_REPEATED_ARE_SEEN)
            given = self._execute(_GIVE).rowcount
            self._execute(_EFFECTS)
            found = self._execute(
                "select count(*) filter (where before_raw_id is not null) as restored,"
                " count(*) filter (where before_raw_id is null) as unknown_again"
                " from withdrawn_story where seen_load_id is null and vanished_load_id is null"
            ).fetchone()
            restored, unknown_again = found or (0, 0)
        entries = self._execute(_TAKE_ENTRIES_BACK).rowcount
        entries += self._execute(_REOPEN_ENTRIES).rowcount
        before, after = self._turn_watermark_back()
        return WithdrawnLoad(
            load_id=load.load_id,
            source_code=load.source_code,
            entity=load.entity,
            region_code=load.region_code,
            window_from=load.window_from,
            window_to=load.window_to,
            file_name=load.file_name,
            set_aside=set_aside,
            restored=restored,
            unknown_again=unknown_again,
            kept_for_later_loads=given,
            quarantine_entries=entries,
            watermark_before=before,
            watermark_after=after,
        )

    def _set_aside(self) -> int:
        rows = {
            "withdrawn": "select raw_id from {table} where load_id = %(load)s",
            "tombstone": "select tombstone_raw_id from withdrawn_story"
            " where tombstone_raw_id is not null",
            "repeated": "select seen_raw_id from withdrawn_story"
            " where seen_raw_id is not null and not is_landing",
        }
        moved = 0
        for cause, query in rows.items():
            statement = (
                f"select raw.set_aside(%(name)s, %(load)s, array({query})::bigint[], %(cause)s)"
            )
            row = self._connection.execute(
                sql.SQL(statement).format(table=sql.Identifier("raw", self._table_name or "")),
                {**self._parameters, "name": self._table_name, "cause": cause},
            ).fetchone()
            moved += 0 if row is None else row[0]
        return moved

    def _turn_watermark_back(self) -> tuple[datetime | None, datetime | None]:
        names = [self._parameters[name] for name in ("source", "entity", "region")]
        known = self._connection.execute(
            "select watermark_at, load_id from ops.watermarks"
            " where source_code = %s and entity = %s and region_code = %s",
            names,
        ).fetchone()
        if known is None or known.load_id != self._load.load_id:
            moment = None if known is None else known.watermark_at
            return moment, moment
        before = self._execute(_WATERMARK_BEFORE).fetchone()
        if before is None:
            self._connection.execute(
                "delete from ops.watermarks"
                " where source_code = %s and entity = %s and region_code = %s",
                names,
            )
            return known.watermark_at, None
        self._connection.execute(
            "update ops.watermarks set watermark_at = %s, load_id = %s,"
            " updated_at = clock_timestamp()"
            " where source_code = %s and entity = %s and region_code = %s",
            [before.watermark_at, before.load_id, *names],
        )
        return known.watermark_at, before.watermark_at
