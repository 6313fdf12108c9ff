"""A person can be erased: from the vault, from the texts, from what is sealed; a trace stays.

Revision ID: 0004
"""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_UP = (
    """
    create table ops.erasures (
        erasure_id bigint generated always as identity primary key,
        basis text not null check (basis in ('request', 'retention')),
        requested_by text not null,
        reason text not null,
        pseudonyms text[] not null default '{}',
        counts jsonb not null default '{}',
        erased_at timestamptz not null default clock_timestamp()
    )
    """,
    """
    comment on table ops.erasures is
    'What was erased, when, at whose request, on what grounds. No names, numbers or texts; the '
    'records themselves are not named, so that a pseudonym does not lead to them'
    """,
    "grant select, insert, update (counts) on ops.erasures to tsur_loader",
    "grant select on ops.erasures to tsur_auditor",
    # Without a link to the erasure, on purpose: see the comment of ops.erasures.
    """
    create table ops.erased_records (
        record_key uuid primary key,
        source_code text not null,
        region_code text not null,
        entity text not null,
        native_id text not null
    )
    """,
    """
    comment on table ops.erased_records is
    'Records of persons who were erased: later versions of them land without texts and identities'
    """,
    """
    create index erased_records_by_source on ops.erased_records (source_code, region_code, entity)
    """,
    "grant select, insert on ops.erased_records to tsur_loader",
    "grant select on ops.erased_records to tsur_auditor",
    "alter table vault.identities alter column value_sealed drop not null",
    """
    alter table vault.identities
        add column erased_at timestamptz,
        add constraint identities_erased check ((value_sealed is null) = (erased_at is not null))
    """,
    "grant update (value_sealed, erased_at) on vault.identities to tsur_loader",
    "alter table ops.quarantine add column erased_at timestamptz",
    "alter table ops.quarantine drop constraint quarantine_content",
    """
    alter table ops.quarantine add constraint quarantine_content check (
        case when erased_at is null then is_whole_answer = (raw_sealed is null)
        else raw_sealed is null end
    )
    """,
    "alter table ops.quarantine drop constraint quarantine_state_check",
    """
    alter table ops.quarantine add constraint quarantine_state_check
    check (state in ('open', 'replayed', 'withdrawn', 'erased'))
    """,
    "grant delete on ops.quarantine_parts to tsur_loader",
    # Numbers of the marts stay: the hashes by which a text finds its enrichment and its duplicates
    # take the place of the text (int_cases.sql makes them in the same way).
    """
    create function ops.redacted(record jsonb, erased text[], substitutes jsonb) returns jsonb
    language sql stable parallel safe
    as $$
    select
        coalesce(jsonb_object_agg(
            field.key,
            case
                when jsonb_typeof(field.value) = 'string'
                    then coalesce(substitutes -> (field.value #>> '{}'), field.value)
                else field.value
            end
        ), '{}')
        || case
            when btrim(record ->> 'text') <> '' then jsonb_build_object(
                'text_hash', encode(sha256(convert_to(record ->> 'text', 'UTF8')), 'hex')
            )
            else '{}'
        end
        || case
            -- A stray apostrophe before a text is not part of it (stg_perm_incidents.sql).
            when record ->> 'text' like '''%' then jsonb_build_object(
                'text_hash_unquoted',
                encode(sha256(convert_to(substr(record ->> 'text', 2), 'UTF8')), 'hex')
            )
            else '{}'
        end
        || case
            when length(
                regexp_replace(lower(record ->> 'text'), '[^[:alnum:]]+', '', 'g')
            ) >= 40 then jsonb_build_object(
                'normalised_text_hash',
                encode(sha256(convert_to(
                    regexp_replace(lower(record ->> 'text'), '[^[:alnum:]]+', '', 'g'), 'UTF8'
                )), 'hex')
            )
            else '{}'
        end
    from jsonb_each(record) as field
    where field.key <> all(erased)
    $$
    """,
    # The one way in which what has landed may change, and only with its trace.
    """
    create function ops.redact(
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
        return changed;
    end
    $$
    """,
    "revoke all on function ops.redact(bigint, text, bigint[], text[], jsonb) from public",
    "grant execute on function ops.redact(bigint, text, bigint[], text[], jsonb) to tsur_loader",
)

_DOWN = (
    "drop function ops.redact(bigint, text, bigint[], text[], jsonb)",
    "drop function ops.redacted(jsonb, text[], jsonb)",
    "revoke delete on ops.quarantine_parts from tsur_loader",
    "delete from ops.quarantine where erased_at is not null",
    "alter table ops.quarantine drop constraint quarantine_state_check",
    """
    alter table ops.quarantine add constraint quarantine_state_check
    check (state in ('open', 'replayed', 'withdrawn'))
    """,
    "alter table ops.quarantine drop constraint quarantine_content, drop column erased_at",
    """
    alter table ops.quarantine add constraint quarantine_content
    check (is_whole_answer = (raw_sealed is null))
    """,
    "revoke update (value_sealed, erased_at) on vault.identities from tsur_loader",
    "delete from vault.identities where erased_at is not null",
    "alter table vault.identities drop constraint identities_erased, drop column erased_at",
    "alter table vault.identities alter column value_sealed set not null",
    "drop table ops.erased_records, ops.erasures",
)


def upgrade() -> None:
    """The trace of erasures, and the one function that may redact what has landed."""
    for statement in _UP:
        op.get_bind().exec_driver_sql(statement.replace("%", "%%"))


def downgrade() -> None:
    """What was erased stays erased; its traces and empty entries are dropped."""
    for statement in _DOWN:
        op.get_bind().exec_driver_sql(statement)
