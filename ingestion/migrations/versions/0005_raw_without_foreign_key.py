"""Raw rows name their load without a foreign key.

A load writes its own number into every row of one statement: the key was checked a row at a time,
which took as long as the landing itself. That every row has its load is checked on every run
(expectations, suite of raw).

Revision ID: 0005
"""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# {reference} is empty, or the foreign key of before.
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
            load_id bigint not null{reference},
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

_EACH_TABLE = """
do $$
declare entity record;
begin
    for entity in
        select c.relname, k.conname
        from pg_class as c
        inner join pg_namespace as n on n.oid = c.relnamespace and n.nspname = 'raw'
        left join pg_constraint as k on k.conrelid = c.oid and k.contype = 'f'
        where c.relkind = 'r'
    loop
        {action}
    end loop;
end
$$
"""
_DROP = """
        if entity.conname is not null then
            execute format('alter table raw.%I drop constraint %I', entity.relname, entity.conname);
        end if;
"""
_ADD = """
        execute format(
            'alter table raw.%I add foreign key (load_id) references ops.loads (load_id)',
            entity.relname);
"""


def _run(statement: str) -> None:
    # exec_driver_sql: the text holds colons and percent signs that are not parameters.
    op.get_bind().exec_driver_sql(statement.replace("%", "%%"))


def upgrade() -> None:
    """Drop the foreign keys, and make tables without them from now on."""
    _run(_CREATE_ENTITY_TABLE.format(reference=""))
    _run(_EACH_TABLE.format(action=_DROP))


def downgrade() -> None:
    """The foreign keys of before."""
    _run(_CREATE_ENTITY_TABLE.format(reference=" references ops.loads (load_id)"))
    _run(_EACH_TABLE.format(action=_ADD))
