"""What each model of dbt has taken in, and the records that an erasure changed in place.

Revision ID: 0014
"""

from __future__ import annotations

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_STATES = (
    """
    create table audit.model_states (
        model text primary key,
        relation oid not null,
        seen_at timestamptz not null,
        built_at timestamptz not null,
        rebuilt_at timestamptz not null,
        fingerprint text not null,
        as_of jsonb not null,
        known jsonb
    )
    """,
    """
    comment on table audit.model_states is
    'Что учли модели, которые строятся по изменениям, и таблицы между ними / What models built by '
    'changes, and the tables between them, have taken in'
    """,
    """
    comment on column audit.model_states.seen_at is
    'What was found to have changed until then is in it'
    """,
    "comment on column audit.model_states.built_at is 'Start of the run that built it last'",
    "comment on column audit.model_states.rebuilt_at is 'Start of the run that built all of it'",
    "comment on column audit.model_states.relation is 'The table; another one was built anew'",
    """
    comment on column audit.model_states.fingerprint is
    'Of all that it follows from besides cases: code, seeds, registers. Another one: a whole build'
    """,
    """
    comment on column audit.model_states.known is
    'What raw knew then (audit.knowledge()); of the model that finds the changes only'
    """,
    "grant select, insert, update, delete on audit.model_states to tsur_transformer",
    "grant select on audit.model_states to tsur_analyst, tsur_auditor",
)

# A queue and no record: the build that takes a row deletes it, so that nothing leads from an
# erasure to the records of the person.
_REDACTED = (
    """
    create table ops.redacted_records (
        record_key uuid primary key,
        is_taken boolean not null default false
    )
    """,
    """
    comment on table ops.redacted_records is
    'Records that an erasure changed in place and the warehouse has not yet taken in; a queue'
    """,
    "grant select, update, delete on ops.redacted_records to tsur_transformer",
)

_REDACT = """
    create or replace function ops.redact(
        erasure bigint, name text, rows bigint[], erased text[], substitutes jsonb
    ) returns bigint
    language plpgsql security definer set search_path = pg_catalog
    as $$
    declare changed bigint;
    begin
        if not exists (select 1 from ops.erasures where erasure_id = erasure) then
            raise exception 'there is no erasure %: nothing is redacted without its trace', erasure
                using errcode = 'insufficient_privilege';
        end if;
        if name is null then
            update ops.withdrawn_rows
            set
                payload = '{"tsur_erased": true}',
                record = ops.redacted(record, erased, substitutes)
            where withdrawn_row_id = any(rows);
        else
            execute format('
                update raw.%I
                set payload = ''{"tsur_erased": true}'', record = ops.redacted(record, $1, $2)
                where raw_id = any($3)', name)
            using erased, substitutes, rows;
        end if;
        get diagnostics changed = row_count;
        -- enqueue
        return changed;
    end
    $$
"""
_ENQUEUE = """if name is not null then
            execute format('
                insert into ops.redacted_records (record_key)
                select distinct record_key from raw.%I where raw_id = any($1)
                on conflict (record_key) do update set is_taken = false', name)
            using rows;
        end if;"""


def upgrade() -> None:
    """Models remember what they have taken in; an erasure queues what it changed."""
    for statement in (*_STATES, *_REDACTED, _REDACT.replace("-- enqueue", _ENQUEUE)):
        op.get_bind().exec_driver_sql(statement.replace("%", "%%"))


def downgrade() -> None:
    """The next build of a warehouse of this revision builds everything."""
    op.get_bind().exec_driver_sql(_REDACT.replace("-- enqueue", "").replace("%", "%%"))
    op.execute("drop table ops.redacted_records")
    op.execute("drop table audit.model_states")
