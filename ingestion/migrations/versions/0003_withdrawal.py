"""A load can be withdrawn: what it landed is set aside as evidence, what others saw is kept.

Revision ID: 0003
"""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# Which of the records that a load listed did not land: without it nobody could tell what a later
# load has confirmed of a withdrawn one. Only keys, 16 bytes each; arrays keep them apart from the
# row overhead, and random bytes do not compress.
_SIGHTINGS = (
    """
    alter table ops.loads
        add column observed_at timestamptz,
        add column is_stale boolean,
        add column absence text check (absence in ('complete', 'window')),
        add column watermark_at timestamptz,
        add column withdrawn_at timestamptz,
        add column withdrawn_by text,
        add column withdrawn_reason text,
        add constraint loads_withdrawn check (
            (withdrawn_at is null) = (withdrawn_by is null)
            and (withdrawn_at is null) = (withdrawn_reason is null)
            and (withdrawn_at is null or outcome in ('success', 'failed'))
        )
    """,
    """
    comment on column ops.loads.absence is
    'What it meant when a record was not in the delivery: null nothing, complete vanished, window '
    'vanished where received within the window'
    """,
    """
    create table ops.sightings (
        load_id bigint not null references ops.loads (load_id) on delete cascade,
        part integer not null check (part > 0),
        is_unchanged boolean not null,
        record_keys uuid[] not null,
        primary key (load_id, part)
    )
    """,
    "alter table ops.sightings alter column record_keys set storage external",
    """
    comment on column ops.sightings.is_unchanged is
    'True: seen with the content that was known; false: listed, but what came did not land'
    """,
    "grant select, insert, delete on ops.sightings to tsur_loader",
    # A load keeps the watermark that it stands for, whether or not it moved the one in force: a
    # trigger before insert sees both.
    """
    create function ops.keep_watermark() returns trigger
    language plpgsql set search_path = pg_catalog
    as $$
    begin
        update ops.loads set watermark_at = new.watermark_at where load_id = new.load_id;
        return new;
    end
    $$
    """,
    """
    create trigger keep_watermark before insert on ops.watermarks
    for each row execute function ops.keep_watermark()
    """,
    """
    update ops.loads set watermark_at = known.watermark_at
    from ops.watermarks as known where known.load_id = loads.load_id
    """,
    "grant delete on ops.watermarks to tsur_loader",
)

_EVIDENCE = (
    # Without foreign keys: they were checked row by row, and only raw.set_aside writes here.
    """
    create table ops.withdrawn_rows (
        withdrawn_row_id bigint generated always as identity primary key,
        withdrawn_load_id bigint not null,
        table_name text not null,
        cause text not null check (cause in ('withdrawn', 'repeated', 'tombstone')),
        raw_id bigint not null,
        record_key uuid not null,
        source_code text not null,
        region_code text not null,
        native_id text not null,
        payload jsonb not null,
        record jsonb not null,
        payload_hash bytea not null,
        observed_at timestamptz not null,
        source_changed_at timestamptz,
        load_id bigint not null,
        file_sha256 text,
        row_number integer,
        is_deleted boolean not null,
        set_aside_at timestamptz not null default clock_timestamp()
    )
    """,
    """
    comment on column ops.withdrawn_rows.cause is
    'withdrawn: of the withdrawn load itself; repeated: a later load''s version that without it is '
    'the one known before; tombstone: a later load''s, of a version that is gone'
    """,
    "create index withdrawn_rows_by_load on ops.withdrawn_rows (withdrawn_load_id)",
    "create index withdrawn_rows_by_record on ops.withdrawn_rows (record_key)",
    "grant select on ops.withdrawn_rows to tsur_loader",
    # Which rows, for those who check and audit; the texts stay with the loader.
    """
    grant select (withdrawn_row_id, withdrawn_load_id, table_name, cause, raw_id, record_key,
        source_code, region_code, native_id, payload_hash, observed_at, load_id, file_sha256,
        row_number, is_deleted, set_aside_at)
    on ops.withdrawn_rows to tsur_transformer, tsur_auditor
    """,
    """
    create table ops.withdrawal_effects (
        withdrawn_load_id bigint not null references ops.loads (load_id),
        load_id bigint not null references ops.loads (load_id),
        rows_set_aside bigint not null default 0,
        rows_given bigint not null default 0,
        primary key (withdrawn_load_id, load_id)
    )
    """,
    """
    comment on table ops.withdrawal_effects is
    'Of every load: landed + tombstoned + given - set aside = its rows in raw'
    """,
    "create index withdrawal_effects_by_load on ops.withdrawal_effects (load_id)",
    "grant select, insert on ops.withdrawal_effects to tsur_loader",
    "grant select on ops.withdrawal_effects to tsur_transformer, tsur_auditor",
    # raw stays append only for the loader: rows leave it for the evidence and for nowhere else.
    """
    create function raw.set_aside(name text, withdrawn bigint, rows bigint[], why text)
    returns bigint
    language plpgsql security definer set search_path = pg_catalog
    as $$
    declare moved bigint;
    begin
        if not exists (
            select 1 from ops.loads where load_id = withdrawn and withdrawn_at is not null
        ) then
            raise exception 'load % is not withdrawn: its rows stay in raw', withdrawn
                using errcode = 'insufficient_privilege';
        end if;
        execute format('
            with gone as (
                delete from raw.%I where raw_id = any($1) returning *
            )
            insert into ops.withdrawn_rows
                (withdrawn_load_id, table_name, cause, raw_id, record_key, source_code,
                 region_code, native_id, payload, record, payload_hash, observed_at,
                 source_changed_at, load_id, file_sha256, row_number, is_deleted)
            select $2, $3, $4, raw_id, record_key, source_code, region_code, native_id, payload,
                record, payload_hash, observed_at, source_changed_at, load_id, file_sha256,
                row_number, is_deleted
            from gone order by raw_id', name)
        using rows, withdrawn, name, why;
        get diagnostics moved = row_count;
        return moved;
    end
    $$
    """,
    "revoke all on function raw.set_aside(text, bigint, bigint[], text) from public",
    "grant execute on function raw.set_aside(text, bigint, bigint[], text) to tsur_loader",
    "alter table ops.quarantine drop constraint quarantine_state_check",
    """
    alter table ops.quarantine add constraint quarantine_state_check
    check (state in ('open', 'replayed', 'withdrawn'))
    """,
)

_DOWN = (
    "alter table ops.quarantine drop constraint quarantine_state_check",
    "delete from ops.quarantine where state = 'withdrawn'",
    """
    alter table ops.quarantine add constraint quarantine_state_check
    check (state in ('open', 'replayed'))
    """,
    "drop function raw.set_aside(text, bigint, bigint[], text)",
    "drop table ops.withdrawal_effects, ops.withdrawn_rows",
    "drop trigger keep_watermark on ops.watermarks",
    "drop function ops.keep_watermark()",
    "revoke delete on ops.watermarks from tsur_loader",
    "drop table ops.sightings",
    """
    alter table ops.loads
        drop column observed_at, drop column is_stale, drop column absence,
        drop column watermark_at, drop column withdrawn_at, drop column withdrawn_by,
        drop column withdrawn_reason
    """,
)


def upgrade() -> None:
    """Evidence of withdrawn loads, and what every load saw without landing it."""
    for statement in (*_SIGHTINGS, *_EVIDENCE):
        op.get_bind().exec_driver_sql(statement.replace("%", "%%"))


def downgrade() -> None:
    """The evidence is dropped: what was withdrawn is then lost."""
    for statement in _DOWN:
        op.get_bind().exec_driver_sql(statement)
