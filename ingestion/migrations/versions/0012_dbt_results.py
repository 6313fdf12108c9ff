"""What every run of dbt did with every node is kept beside the results of checks.

Revision ID: 0012
"""

from __future__ import annotations

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_UP = (
    """
    create table audit.dbt_results (
        dbt_result_id bigint generated always as identity primary key,
        invocation_id text not null,
        airflow_run_id text,
        run_started_at timestamptz not null,
        unique_id text not null,
        name text not null,
        resource_type text not null,
        status text not null,
        started_at timestamptz,
        seconds numeric(12, 3) not null check (seconds >= 0),
        rows_affected bigint,
        message text,
        compiled_sha256 text,
        constraint dbt_results_once unique (invocation_id, unique_id)
    )
    """,
    "create index dbt_results_run_started_at on audit.dbt_results (run_started_at desc)",
    """
    comment on table audit.dbt_results is
    'Сборки dbt: строка на каждую модель, справочник и проверку каждого запуска'
    """,
    """
    comment on column audit.dbt_results.airflow_run_id is
    'Run of the DAG warehouse; null where the command line built. Joins audit.check_runs.run_id'
    """,
    "comment on column audit.dbt_results.started_at is 'Null where the node was skipped'",
    "comment on column audit.dbt_results.rows_affected is 'Of a test: the rows that break it'",
    """
    comment on column audit.dbt_results.message is
    'Of dbt and PostgreSQL, without the values that they quote'
    """,
    """
    comment on column audit.dbt_results.compiled_sha256 is
    'SHA-256 of the compiled SQL: equal ones ran the same statement'
    """,
    # A log, pruned by age as other logs are; what publications rest on is audit.builds.
    "grant select, insert, delete on audit.dbt_results to tsur_transformer",
    "grant select on audit.dbt_results to tsur_analyst, tsur_auditor",
)


def upgrade() -> None:
    """A row a node and run."""
    for statement in _UP:
        op.get_bind().exec_driver_sql(statement)


def downgrade() -> None:
    """The record of runs is lost; builds and publications stay."""
    op.get_bind().exec_driver_sql("drop table audit.dbt_results")
