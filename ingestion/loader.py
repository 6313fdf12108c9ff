"""The loader: writes rows of one load into its raw table, knows nothing of where they come from.

Rows land batch by batch, while the next ones are converted: their keys and hashes are copied to a
temporary table, the server tells which are new or changed, and those are copied into the raw
table. What needs all rows of a load lands at its end, by INSERT … SELECT. The caller holds the
transaction: rows, quarantine, vault, watermark and the ledger entry commit together or not at all.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg import sql

from ingestion.conversion import COLUMNS, KEY, KEY_COLUMNS, Converted
from ingestion.copy_binary import HEADER, TRAILER, bigint, with_field
from ingestion.erasure import PSEUDONYMS, has_erased, keep_entries_erased, keep_erased
from ingestion.errors import RecordError
from ingestion.evidence import Writer
from ingestion.mapping import canonical_json, key_prefix
from ingestion.source import Source, Window
from ingestion.vault import Vault
from ingestion.withdrawal import remember

_BATCH_IDENTITIES = 5_000
# Pseudonyms of one load that need not be looked up again; bounds the memory, not the result.
_REMEMBERED_PSEUDONYMS = 200_000
# While so much is written, the next rows are converted; bounds the memory too.
_BATCH_ROWS = 8_000
_BATCH_BYTES = 16 << 20

# `landing` and what is found out about its rows hold one batch, the others all of the load.
# Contents are in `landing` only when everything lands at once.
_TEMPORARY = """
create temporary table landing (
    seq bigint generated always as identity,
    record_key uuid,
    native_id text,
    payload jsonb,
    record jsonb,
    payload_hash bytea not null,
    source_changed_at timestamptz,
    file_sha256 text,
    row_number integer,
    source_code text,
    region_code text,
    observed_at timestamptz,
    load_id bigint,
    known_load_id bigint
) on commit drop;
create temporary table landing_winners (
    seq bigint not null, record_key uuid not null, native_id text, payload_hash bytea not null,
    source_changed_at timestamptz, file_sha256 text, row_number integer, known_load_id bigint
) on commit drop;
create temporary table landing_new (
    seq bigint not null, record_key uuid not null, native_id text
) on commit drop;
create temporary table landing_keys (
    seq bigint not null, record_key uuid not null, payload_hash bytea not null,
    source_changed_at timestamptz, file_sha256 text, row_number integer
) on commit drop;
create temporary table landing_lost (like landing) on commit drop;
create temporary table landing_unchanged (record_key uuid not null) on commit drop;
create temporary table landing_present (record_key uuid not null) on commit drop;
create temporary table landing_identities (
    pseudonym text not null, kind text not null, value_sealed bytea not null
) on commit drop;
"""
# In the order of the pseudonyms, so that two loads never wait for each other in a ring. Whose
# identity went with its retention and who writes again is known again: by a version that is new,
# for an old record in a listing is no reason. Who asked to be erased stays unknown.
_IDENTITIES = """
insert into vault.identities as known (pseudonym, kind, value_sealed, first_load_id)
select distinct on (pseudonym) pseudonym, kind, value_sealed, %(load_id)s::bigint
from landing_identities
order by pseudonym
on conflict (pseudonym) do update
set value_sealed = excluded.value_sealed, erased_at = null, erasure_basis = null
where
    known.erasure_basis = 'retention'
    and known.pseudonym in (
        select found.pseudonym[1]
        from {table} as r
        cross join lateral
            regexp_matches(r.payload::text || r.record::text, %(pseudonyms)s, 'g')
            as found (pseudonym)
        where r.load_id = %(load_id)s
    )
"""
_NEXT_BATCH = "truncate landing, landing_winners, landing_new"

# The last of equal keys wins; where the source tells when a record changed, the last change does.
_WINNERS = """
insert into landing_winners
select distinct on (record_key)
    seq, record_key, native_id, payload_hash, source_changed_at, file_sha256, row_number,
    known_load_id
from landing
order by record_key, source_changed_at desc nulls last, seq desc
"""

# Where the content is the key, equal records are told apart by their ordinal among themselves.
_CONTENT_WINNERS = """
insert into landing_winners
select
    seq,
    encode(
        substring(sha256(convert_to(%(prefix)s || native_id, 'UTF8')) from 1 for 16), 'hex'
    )::uuid as record_key,
    native_id,
    payload_hash,
    source_changed_at,
    file_sha256,
    row_number,
    known_load_id
from (
    select
        seq,
        native_id || '/' || row_number() over (partition by native_id order by seq) as native_id,
        payload_hash,
        source_changed_at,
        file_sha256,
        row_number,
        known_load_id
    from landing
) as numbered
"""

# What lands is decided before anything is written: a statement that looks into the table it fills
# would walk, row by row, through what it has just written. `+ 0`: while a first load is under way,
# ANALYZE sees none of its rows, and in a table without rows the index of the numbers seems as good
# as that of the keys, though all numbers have to be tried for each key.
_NEW = """
insert into landing_new (seq, record_key, native_id)
select w.seq, w.record_key, w.native_id
from {winners} as w
left join lateral (
    select r.payload_hash, r.is_deleted, r.load_id
    from {table} as r
    where r.record_key = w.record_key
    order by r.raw_id + 0 desc
    limit 1
) as latest on true
where latest.load_id is null
    or (
        (latest.payload_hash <> w.payload_hash or latest.is_deleted)
        and (w.known_load_id is null or latest.load_id <= w.known_load_id)
    )
"""

# A delivery observed before what is known already: only records never seen land.
_UNSEEN = """
insert into landing_new (seq, record_key, native_id)
select w.seq, w.record_key, w.native_id
from {winners} as w
where not exists (select 1 from {table} as r where r.record_key = w.record_key)
"""

_INSERT = """
insert into {table}
    (record_key, source_code, region_code, native_id, payload, record, payload_hash,
     observed_at, source_changed_at, load_id, file_sha256, row_number)
select
    w.record_key, l.source_code, l.region_code, w.native_id, l.payload, {record},
    l.payload_hash, l.observed_at, l.source_changed_at, l.load_id, l.file_sha256, l.row_number
from landing as l
inner join landing_new as w on w.seq = l.seq
"""

_KEYS = """
insert into landing_keys
select seq, record_key, payload_hash, source_changed_at, file_sha256, row_number
from {winners}
"""

_LOST = """
from landing as l
where not exists (select 1 from {winners} as w where w.seq = l.seq)
"""

_UNCHANGED = """
insert into landing_unchanged (record_key)
select w.record_key from {winners} as w
where not exists (select 1 from landing_new as n where n.seq = w.seq)
"""

_OLDER_VERSIONS = """
select w.native_id, l.payload, l.row_number, l.file_sha256
from {winners} as w
inner join landing as l on l.seq = w.seq
where exists (
        select 1 from {table} as r
        where r.record_key = w.record_key and r.load_id <> %(load_id)s
    )
    and not exists (
        select 1 from {table} as r
        where r.record_key = w.record_key and r.payload_hash = w.payload_hash
    )
order by l.seq
"""

# A key that came more than once, and which of its versions is the one of this load.
_REPEATED = """
create temporary table landing_repeated on commit drop as
select distinct on (k.record_key) k.record_key, k.seq, k.payload_hash
from landing_keys as k
where k.record_key in (
        select record_key from landing_lost
        union all
        select record_key from landing_keys group by record_key having count(*) > 1
    )
order by k.record_key, k.source_changed_at desc nulls last, k.seq desc
"""

# Each version that lost: out of its batch, or where it was written by an earlier one.
_LOST_REPEATS = """
select native_id, payload, row_number, file_sha256
from (
    select l.seq, l.native_id, l.payload as payload, l.row_number, l.file_sha256
    from landing_lost as l
    inner join landing_repeated as w on w.record_key = l.record_key
    where l.payload_hash <> w.payload_hash
    union all
    select k.seq, known.native_id, known.payload, k.row_number, k.file_sha256
    from landing_keys as k
    inner join landing_repeated as w on w.record_key = k.record_key
    cross join lateral (
        select r.native_id, r.payload
        from {table} as r
        where r.record_key = k.record_key and r.payload_hash = k.payload_hash
        order by r.raw_id + 0 desc
        limit 1
    ) as known
    where k.payload_hash <> w.payload_hash
) as lost
order by seq
"""

# Of the versions that this load has written one at most stays: the winner, if it is not what was
# known before.
_WRITTEN = """
create temporary table landing_written on commit drop as
select
    w.record_key,
    mine.raw_id,
    mine.raw_id = max(mine.raw_id) filter (where mine.payload_hash = w.payload_hash)
        over (partition by w.record_key)
    and (before.payload_hash is distinct from w.payload_hash or before.is_deleted) as is_kept
from landing_repeated as w
inner join {table} as mine
    on mine.record_key = w.record_key and mine.load_id = %(load_id)s
left join lateral (
    select r.payload_hash, r.is_deleted
    from {table} as r
    where r.record_key = w.record_key and r.load_id <> %(load_id)s
    order by r.raw_id + 0 desc
    limit 1
) as before on true
"""

_RETRACT = """
select raw.retract(%(table_name)s, array(
    select raw_id from landing_written where is_kept is not true
))
"""

_SETTLED = """
delete from landing_unchanged as u using landing_repeated as w where w.record_key = u.record_key;
insert into landing_unchanged (record_key)
select record_key from landing_repeated
except
select record_key from landing_written where is_kept;
"""

_INSERT_TOMBSTONES = """
insert into {table}
    (record_key, source_code, region_code, native_id, payload, record, payload_hash,
     observed_at, source_changed_at, load_id, file_sha256, row_number, is_deleted)
select
    latest.record_key, latest.source_code, latest.region_code, latest.native_id,
    latest.payload, {gone}, latest.payload_hash, %(observed_at)s,
    latest.source_changed_at, %(load_id)s, %(file_sha256)s, null, true
from (
    select distinct on (r.record_key) r.*
    from {table} as r
    where r.source_code = %(source)s and r.region_code = %(region)s
    order by r.record_key, r.raw_id desc
) as latest
where not latest.is_deleted
    and {scope}
    and not exists (select 1 from landing_present as p where p.record_key = latest.record_key)
order by latest.raw_id
"""

_LANDING = sql.Identifier("landing")
_LANDING_LOST = sql.Identifier("landing_lost")
_LANDING_WINNERS = sql.Identifier("landing_winners")
_RECORD = sql.SQL("l.record")
_RECORD_BY_CONTENT = sql.SQL("l.record || jsonb_build_object('native_id', w.native_id)")
_VANISHED = sql.SQL("latest.record")
# What leaves a listing of open requests is finished, at a time that the source does not tell.
_LEFT = sql.SQL(
    "latest.record || jsonb_build_object("
    "'is_closed', true, 'left_listing_at', %(observed_at)s::timestamptz)"
)
_SCOPE_ALL = sql.SQL("true")
_SCOPE_WINDOW = sql.SQL(
    "(latest.record ->> 'received_at')::timestamptz >= %(window_from)s"
    " and (latest.record ->> 'received_at')::timestamptz < %(window_to)s"
)
# After a stale listing: only what it has just brought is known to be gone by now.
_SCOPE_THIS_LOAD = sql.SQL("latest.load_id = %(load_id)s")


def prepare_sources(database_url: str, sources: Iterable[Source]) -> list[str]:
    """Create the raw table of every entity of every source, enabled or not; returns their names.

    `database_url` is the loader's. Calling it again is harmless.
    """
    tables = sorted({table for source in sources for table in source.tables})
    with psycopg.connect(database_url) as connection:
        # Two processes that create the same tables at once would collide in the catalogue.
        connection.execute("select pg_advisory_xact_lock(hashtext('ingestion.prepare_sources'))")
        for table in tables:
            connection.execute("select raw.create_entity_table(%s)", [table])
    return tables


@dataclass(frozen=True, slots=True)
class Merged:
    """What a merge did."""

    landed: int
    unchanged: int
    tombstoned: int


class _Batch:
    """The rows that wait until the server has told which of them are new."""

    def __init__(self) -> None:
        self._pages: list[Converted] = []
        self._firsts: list[int] = []
        self._count = 0
        self.size = 0

    def add(self, converted: Converted) -> None:
        self._pages.append(converted)
        self._firsts.append(self._count)
        self._count += converted.landed
        self.size += len(converted.rows)

    @property
    def keys(self) -> Iterator[bytes]:
        """The keys of all rows, in their order."""
        return (page.keys for page in self._pages)

    @property
    def blocks(self) -> Iterator[bytes]:
        """All rows, some at a time."""
        return (page.rows for page in self._pages)

    def row(self, index: int) -> bytes:
        place = bisect_right(self._firsts, index) - 1
        page, number = self._pages[place], index - self._firsts[place]
        return page.rows[page.ends[number - 1] if number else 0 : page.ends[number]]

    def has_repeats(self) -> bool:
        """True when two rows have the same key."""
        keys: set[bytes] = set()
        for page in self._pages:
            rows, begin, end = page.rows, KEY.start, KEY.stop
            keys.update(rows[at + begin : at + end] for at in (0, *page.ends[:-1]))
        return len(keys) < self._count


class Landing:
    """Takes the rows of one load, in one transaction of `connection`."""

    def __init__(
        self,
        connection: psycopg.Connection,
        quarantine: Writer,
        vault: Vault,
        *,
        table: str,
        is_by_content: bool,
        holds: str,
        source_code: str,
        region_code: str,
        entity: str,
        load_id: int,
        observed_at: datetime,
        is_stale: bool,
        is_replay: bool,
    ) -> None:
        self._connection = connection
        self._quarantine = quarantine
        self._table = sql.Identifier("raw", table)
        self._names = (source_code, region_code, entity)
        self._load_id = load_id
        self._observed_at = observed_at
        self._is_by_content = is_by_content
        self._record = _RECORD_BY_CONTENT if is_by_content else _RECORD
        self._gone = _LEFT if holds == "open_only" else _VANISHED
        self._parameters: dict[str, object] = {
            "source": source_code,
            "region": region_code,
            "load_id": load_id,
            "observed_at": observed_at,
            "prefix": key_prefix(source_code, region_code, entity),
            "table_name": table,
            "pseudonyms": PSEUDONYMS,
        }
        self._vault = vault
        self._identities: dict[str, tuple[str, str]] = {}
        self._known_pseudonyms: set[str] = set()
        self._is_stale = is_stale
        # What has to be known of all rows before one of them lands cannot land in parts: which
        # ordinal a content has, what an older delivery brings, whom nobody mentions any more.
        self._is_at_once = (
            is_by_content or is_stale or is_replay or has_erased(connection, *self._names)
        )
        self._winners = _LANDING_WINNERS
        self._batches = 0
        self._waiting = 0
        self._batch = _Batch()
        self._columns = f"{COLUMNS}, known_load_id" if is_replay else COLUMNS
        self._added = 0
        self._landed = 0
        connection.execute(_TEMPORARY)
        connection.execute("set local work_mem = '128MB'")

    def add(self, converted: Converted) -> None:
        """Take the rows and the refused records of a page."""
        if converted.landed:
            if self._is_at_once:
                self._copy(_LANDING, self._columns, [converted.rows])
            else:
                self._batch.add(converted)
            self._added += converted.landed
            self._waiting += converted.landed
        for pseudonym, identity in converted.identities.items():
            if pseudonym not in self._known_pseudonyms:
                self._identities[pseudonym] = identity
        if len(self._identities) >= _BATCH_IDENTITIES:
            self._flush_identities()
        if converted.present:
            self.present(converted.present)
        for refused in converted.refused:
            self._quarantine.add(
                refused.error,
                refused.content,
                lasting=refused.lasting,
                native_id=refused.native_id,
                row_number=refused.row_number,
                sha256=converted.page.sha256,
                file_name=converted.page.name,
            )
        is_full = self._waiting >= _BATCH_ROWS or self._batch.size >= _BATCH_BYTES
        if is_full and not self._is_at_once:
            self._land()

    def _copy(self, table: sql.Identifier, columns: str, blocks: Iterable[bytes]) -> None:
        query = sql.SQL("copy {} ({}) from stdin (format binary)").format(table, sql.SQL(columns))
        with self._connection.cursor() as cursor, cursor.copy(query) as copy:
            copy.write(HEADER)
            for block in blocks:
                copy.write(block)
            copy.write(TRAILER)

    def present(self, keys: Iterable[str]) -> None:
        """Records that the listing holds though they did not land: they have not vanished."""
        with (
            self._connection.cursor() as cursor,
            cursor.copy("copy landing_present (record_key) from stdin") as copy,
        ):
            for key in keys:
                copy.write_row((key,))

    def _flush_identities(self) -> None:
        names = list(self._identities)
        known = {
            pseudonym
            for (pseudonym,) in self._connection.execute(
                "select pseudonym from vault.identities"
                " where pseudonym = any(%s) and erasure_basis is distinct from 'retention'",
                [names],
            )
        }
        with (
            self._connection.cursor() as cursor,
            cursor.copy(
                "copy landing_identities (pseudonym, kind, value_sealed) from stdin"
            ) as copy,
        ):
            for pseudonym, (kind, value) in self._identities.items():
                if pseudonym not in known:
                    sealed = self._vault.seal(value.encode("utf-8", "surrogatepass"))
                    copy.write_row((pseudonym, kind, sealed))
        if len(self._known_pseudonyms) > _REMEMBERED_PSEUDONYMS:
            self._known_pseudonyms.clear()
        self._known_pseudonyms.update(names)
        self._identities.clear()

    def _land(self) -> None:
        """Move the waiting rows into the raw table: what is new, and what has changed."""
        connection = self._connection
        if not self._is_at_once:
            self._copy(_LANDING, KEY_COLUMNS, self._batch.keys)
        if not self._batches:
            # Nobody else analyzes temporary tables, and a plan for ten rows is none for millions.
            connection.execute("analyze landing (seq, record_key)")
        if self._is_at_once or self._batch.has_repeats():
            self._winners = _LANDING_WINNERS
            query = _CONTENT_WINNERS if self._is_by_content else _WINNERS
            winners = self._execute(query).rowcount
            connection.execute("analyze landing_winners (seq, record_key)")
        else:
            self._winners, winners = _LANDING, self._waiting
        if self._is_at_once:
            keep_erased(
                connection,
                self._table,
                source_code=self._names[0],
                region_code=self._names[1],
                entity=self._names[2],
            )
        landed = self._execute(_UNSEEN if self._is_stale else _NEW).rowcount
        if not self._batches:
            connection.execute("analyze landing_new (seq)")
        if self._is_at_once:
            self._execute(_INSERT)
        else:
            self._copy_new(landed)
        self._execute(_KEYS)
        if winners < self._waiting:
            self._set_lost_aside()
        if landed < winners:
            self._execute(_UNCHANGED)
        if self._is_stale:
            self._keep(_OLDER_VERSIONS, "older_than_known")
        connection.execute(_NEXT_BATCH)
        self._landed += landed
        self._waiting = 0
        self._batch = _Batch()
        self._batches += 1

    def _copy_new(self, new: int) -> None:
        """The rows of the batch that land go to the raw table as they are."""
        blocks: Iterable[bytes] = self._batch.blocks
        if new < self._waiting:
            query = "select seq from landing_new order by seq"
            blocks = [self._row(seq) for (seq,) in self._connection.execute(query)]
        if new:
            self._copy(self._table, COLUMNS, blocks)

    def _set_lost_aside(self) -> None:
        """The versions that lost within the batch: which one of all wins is not known yet."""
        if self._is_at_once:
            self._execute(f"insert into landing_lost select l.* {_LOST}")
            return
        query = f"select l.seq {_LOST} order by l.seq"
        rows = [with_field(self._row(seq), bigint(seq)) for (seq,) in self._execute(query)]
        self._copy(_LANDING_LOST, f"{COLUMNS}, seq", rows)

    def _row(self, seq: int) -> bytes:
        """A row of the batch by the number that it has in `landing`."""
        return self._batch.row(seq - 1 - (self._added - self._waiting))

    def _settle_repeats(self) -> None:
        """A key that came more than once leaves one version; the others go to quarantine."""
        if self._is_by_content or not self._execute(_REPEATED).rowcount:
            return
        self._keep(_LOST_REPEATS, "repeated_key")
        if self._execute(_WRITTEN).rowcount:
            row = self._execute(_RETRACT).fetchone()
            self._landed -= row[0] if row else 0
        self._connection.execute(_SETTLED)

    def merge(
        self,
        *,
        vanish: str | None,
        window: Window | None = None,
        file_sha256: str | None = None,
        vanished_at: datetime | None = None,
    ) -> Merged:
        """Move what is left of the load into the raw table, and settle what needs all of it.

        `vanish`: None when absence means nothing, `complete` when the listing holds everything,
        `window` when it holds everything received within `window`.
        """
        if self._identities:
            self._flush_identities()
        before = self._quarantine.count
        connection = self._connection
        self._land()
        self._settle_repeats()
        kept = self._quarantine.count - before
        self._execute(_IDENTITIES)
        tombstoned = 0
        if vanish is not None:
            tombstoned = self._tombstones(vanish, window, file_sha256, vanished_at)
        self._quarantine.flush()
        keep_entries_erased(connection, self._load_id)
        remember(
            connection,
            load_id=self._load_id,
            observed_at=self._observed_at,
            is_stale=self._is_stale,
            absence=vanish,
        )
        return Merged(self._landed, self._added - self._landed - kept, tombstoned)

    def _tombstones(
        self,
        vanish: str,
        window: Window | None,
        file_sha256: str | None,
        vanished_at: datetime | None,
    ) -> int:
        if self._is_stale:
            scope = _SCOPE_THIS_LOAD
        else:
            self._connection.execute(
                "insert into landing_present select record_key from landing_keys"
            )
            scope = _SCOPE_ALL if vanish == "complete" else _SCOPE_WINDOW
        self._connection.execute("analyze landing_present")
        return self._execute(
            _INSERT_TOMBSTONES,
            scope=scope,
            file_sha256=file_sha256,
            window_from=window.start if window else None,
            window_to=window.end if window else None,
            observed_at=vanished_at or self._parameters["observed_at"],
        ).rowcount

    def _execute(
        self, statement: str, *, scope: sql.Composable = _SCOPE_ALL, **parameters: object
    ) -> psycopg.Cursor:
        query = sql.SQL(statement).format(
            table=self._table,
            winners=self._winners,
            scope=scope,
            record=self._record,
            gone=self._gone,
        )
        return self._connection.execute(query, {**self._parameters, **parameters})

    def _keep(self, statement: str, code: str) -> None:
        """Versions that lose against another one go to quarantine, as they would have landed."""
        for native_id, payload, row_number, sha256 in self._execute(statement).fetchall():
            self._quarantine.add(
                RecordError(code, f"Record {native_id}"),
                canonical_json(payload),
                native_id=native_id,
                row_number=row_number,
                sha256=sha256,
            )
