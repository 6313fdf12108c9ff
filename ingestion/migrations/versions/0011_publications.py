"""What was published is kept, with all that it takes to compute it again.

Revision ID: 0011
"""

from __future__ import annotations

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_TABLES = ("builds", "published_projects", "publications", "published_values")

_UP = (
    # Stable: all that it reads is of one moment, the caller's snapshot.
    """
    create function audit.knowledge() returns jsonb
    language plpgsql stable security definer set search_path = pg_catalog
    as $$
    declare
        entity name;
        last_raw_id bigint;
        tables jsonb := '{}';
    begin
        for entity in
            select c.relname
            from pg_class as c
            inner join pg_namespace as n on n.oid = c.relnamespace and n.nspname = 'raw'
            where c.relkind = 'r'
            order by c.relname
        loop
            execute format('select coalesce(max(raw_id), 0) from raw.%I', entity)
            into last_raw_id;
            tables := tables || jsonb_build_object(entity, last_raw_id);
        end loop;
        return (
            select jsonb_build_object(
                'at', clock_timestamp(),
                'loads', coalesce(
                    range_agg(int8range(load_id, load_id + 1)) filter (where outcome <> 'running'),
                    '{}'
                ),
                'tables', tables,
                'withdrawn', (
                    select coalesce(max(withdrawn_row_id), 0) from ops.withdrawn_rows
                )
            )
            from ops.loads
        );
    end
    $$
    """,
    """
    comment on function audit.knowledge() is
    'What raw knows: the loads that have ended, the last raw_id of each table, the last row that a '
    'withdrawal set aside. Loads are named because one that is under way may have numbered its '
    'rows already'
    """,
    "revoke all on function audit.knowledge() from public",
    "grant execute on function audit.knowledge() to tsur_transformer, tsur_auditor",
    """
    create table audit.builds (
        invocation_id text primary key,
        started_at timestamptz not null default clock_timestamp(),
        known jsonb not null,
        models text[] not null
    )
    """,
    """
    comment on table audit.builds is
    'Every run of dbt that builds models: which, and what raw knew when it began'
    """,
    """
    create table audit.published_projects (
        project_sha256 text primary key,
        archive bytea not null,
        seed_hashes jsonb not null
    )
    """,
    """
    comment on table audit.published_projects is
    'The dbt project of a publication, models and seeds, as tar.xz; equal ones are kept once'
    """,
    """
    create table audit.publications (
        publication_id bigint generated always as identity primary key,
        mart text not null,
        region_code text not null,
        period text not null,
        published_at timestamptz not null default clock_timestamp(),
        published_by text not null,
        commit_hash text,
        is_commit_clean boolean,
        project_sha256 text not null references audit.published_projects (project_sha256),
        nlp_model_version text,
        metric_version text,
        config_version text,
        as_of jsonb not null,
        known jsonb not null,
        expected_loads jsonb not null,
        key_columns text[] not null,
        column_names text[] not null,
        row_count integer not null check (row_count > 0),
        is_proven boolean not null
    )
    """,
    "comment on column audit.publications.commit_hash is 'Null where there was no repository'",
    "comment on column audit.publications.as_of is 'Region code to the moment of its report'",
    """
    comment on column audit.publications.is_proven is
    'Computed again from raw before it was published, with the same values'
    """,
    """
    create table audit.published_values (
        publication_id bigint not null references audit.publications (publication_id),
        row_number integer not null,
        column_name text not null,
        value_numeric numeric,
        value_text text,
        primary key (publication_id, row_number, column_name),
        constraint published_values_one check (value_numeric is null or value_text is null)
    )
    """,
    *(
        statement
        for table in _TABLES
        for statement in (
            f"create trigger append_only before update or delete or truncate on audit.{table}"
            " for each statement execute function audit.refuse_change()",
            f"grant select, insert on audit.{table} to tsur_transformer",
            f"grant select on audit.{table} to tsur_auditor",
        )
    ),
)

_DOWN = (
    "drop table audit.published_values, audit.publications, audit.published_projects",
    "drop table audit.builds",
    "drop function audit.knowledge()",
)


def upgrade() -> None:
    """Publications and their values, the record of builds, and what raw knows at a moment."""
    for statement in _UP:
        op.get_bind().exec_driver_sql(statement.replace("%", "%%"))


def downgrade() -> None:
    """What was published is lost."""
    for statement in _DOWN:
        op.get_bind().exec_driver_sql(statement)
