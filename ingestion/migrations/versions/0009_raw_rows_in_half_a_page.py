"""Raw rows are compressed when they take more than half a page, not a quarter.

By default PostgreSQL compresses every row beyond 2 kB. Records with a text are a little larger, and
that took a quarter of the time in which the server writes them (docs/decisions.md, 35).

Revision ID: 0009
"""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

# {options} is empty as before, or the storage options of the table.
_CREATE_ENTITY_TABLE = """
create or replace function raw.create_entity_table(name text) returns void
language plpgsql security definer set search_path = pg_catalog
as $$
begin
    if name !~ '^[a-z][a-z0-9_]{{0,48}}$' then
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
            load_id bigint not null,
            file_sha256 text,
            row_number integer,
            is_deleted boolean not null default false
        ){options}', name);
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
# Rows that are there already stay as they are until they are written anew.
_EACH_TABLE = """
do $$
declare entity name;
begin
    for entity in
        select c.relname
        from pg_class as c
        inner join pg_namespace as n on n.oid = c.relnamespace and n.nspname = 'raw'
        where c.relkind = 'r'
    loop
        execute format('alter table raw.%I {action}', entity);
    end loop;
end
$$
"""
# Of a page of 8 kB: two rows fit.
_TARGET = "toast_tuple_target = 4080"


def _run(statement: str) -> None:
    # exec_driver_sql: the text holds percent signs that are not parameters.
    op.get_bind().exec_driver_sql(statement.replace("%", "%%"))


def upgrade() -> None:
    """Set the option on the tables that are there, and on all that are made from now on."""
    _run(_CREATE_ENTITY_TABLE.format(options=f" with ({_TARGET})"))
    _run(_EACH_TABLE.format(action=f"set ({_TARGET})"))


def downgrade() -> None:
    """A quarter of a page, as by default."""
    _run(_CREATE_ENTITY_TABLE.format(options=""))
    _run(_EACH_TABLE.format(action="reset (toast_tuple_target)"))
