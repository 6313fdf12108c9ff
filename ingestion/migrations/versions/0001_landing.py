"""The landing schema: raw tables by template, ledger, quarantine, watermarks, vault.

Revision ID: 0001
"""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# Append only: the loader may insert and read, nobody updates or deletes a version.
_CREATE_ENTITY_TABLE = """
create function raw.create_entity_table(name text) returns void
language plpgsql security definer set search_path = pg_catalog
as $$
begin
    if name !~ '^[a-z][a-z0-9_]{0,48}$' then
        raise exception 'raw table name % is not valid: 1-49 of a-z, 0-9, _, a letter first', name
            using errcode = 'invalid_name';
    end if;
    execute format('
        create table if not exists raw.%1$I (
            raw_id bigint generated always as identity primary key,
            record_key uuid not null,
            source_code text not null,
            region_code text not null,
            native_id text not null,
            payload jsonb not null,
            record jsonb not null,
            payload_hash bytea not null,
            observed_at timestamptz not null,
            source_changed_at timestamptz,
            load_id bigint not null references ops.loads (load_id),
            file_sha256 text,
            row_number integer,
            is_deleted boolean not null default false
        )', name);
    execute format(
        'create index if not exists %I on raw.%I (record_key, raw_id desc)',
        name || '_latest', name);
    execute format(
        'create index if not exists %I on raw.%I (load_id)', name || '_load', name);
    execute format('grant select, insert on raw.%I to tsur_loader', name);
    execute format('grant select on raw.%I to tsur_transformer', name);
end
$$
"""

_STATEMENTS = (
    """
    create table ops.loads (
        load_id bigint generated always as identity primary key,
        run_id text not null,
        source_code text not null,
        entity text not null,
        region_code text not null,
        window_from timestamptz,
        window_to timestamptz,
        file_name text,
        file_sha256 text,
        started_at timestamptz not null default clock_timestamp(),
        finished_at timestamptz,
        outcome text not null default 'running'
            check (outcome in ('running', 'success', 'failed', 'interrupted')),
        rows_read bigint not null default 0,
        rows_landed bigint not null default 0,
        rows_unchanged bigint not null default 0,
        rows_quarantined bigint not null default 0,
        rows_tombstoned bigint not null default 0,
        bytes_read bigint not null default 0,
        calls integer not null default 0,
        error_class text,
        error_message text,
        unknown_columns text[] not null default '{}',
        constraint loads_nothing_lost check (
            outcome <> 'success'
            or rows_read = rows_landed + rows_unchanged + rows_quarantined
        ),
        constraint loads_finished check ((outcome = 'running') = (finished_at is null))
    )
    """,
    "create index loads_by_source on ops.loads (source_code, entity, region_code, load_id desc)",
    """
    create table ops.quarantine (
        quarantine_id bigint generated always as identity primary key,
        load_id bigint not null references ops.loads (load_id),
        last_load_id bigint not null references ops.loads (load_id),
        source_code text not null,
        region_code text not null,
        entity text not null,
        native_id text,
        error_code text not null,
        reason text not null,
        field text,
        raw_sealed bytea not null,
        is_whole_answer boolean not null default false,
        fingerprint bytea not null,
        file_name text,
        file_sha256 text,
        row_number integer,
        state text not null default 'open' check (state in ('open', 'replayed')),
        replayed_load_id bigint references ops.loads (load_id),
        created_at timestamptz not null default clock_timestamp(),
        constraint quarantine_replayed check ((state = 'replayed') = (replayed_load_id is not null))
    )
    """,
    # The same bad record in the next load is the same entry, not a second one.
    "create unique index quarantine_open on ops.quarantine (fingerprint) where state = 'open'",
    "create index quarantine_by_load on ops.quarantine (load_id)",
    """
    create table ops.watermarks (
        source_code text not null,
        entity text not null,
        region_code text not null,
        watermark_at timestamptz not null,
        load_id bigint not null references ops.loads (load_id),
        updated_at timestamptz not null default clock_timestamp(),
        primary key (source_code, entity, region_code)
    )
    """,
    """
    create table vault.identities (
        pseudonym text primary key check (pseudonym ~ '^p_[0-9a-f]{32}$'),
        kind text not null,
        value_sealed bytea not null,
        first_load_id bigint not null,
        created_at timestamptz not null default clock_timestamp()
    )
    """,
    _CREATE_ENTITY_TABLE,
    "revoke all on function raw.create_entity_table(text) from public",
    "grant execute on function raw.create_entity_table(text) to tsur_loader",
    "grant select, insert, update on ops.loads, ops.quarantine, ops.watermarks to tsur_loader",
    "grant select on ops.loads, ops.quarantine, ops.watermarks to tsur_transformer, tsur_auditor",
    "grant select, insert on vault.identities to tsur_loader",
)


def upgrade() -> None:
    """Create the tables, the function that makes raw tables, and the grants on them."""
    for statement in _STATEMENTS:
        # exec_driver_sql: the text holds colons and percent signs that are not parameters.
        op.get_bind().exec_driver_sql(statement.replace("%", "%%"))


def downgrade() -> None:
    """Drop everything, the raw tables and what they hold included."""
    op.execute(
        """
        do $$
        declare entity record;
        begin
            for entity in select tablename from pg_tables where schemaname = 'raw' loop
                execute format('drop table raw.%I cascade', entity.tablename);
            end loop;
        end
        $$
        """
    )
    op.execute("drop function raw.create_entity_table(text)")
    op.execute("drop table vault.identities")
    op.execute("drop table ops.watermarks, ops.quarantine, ops.loads")
