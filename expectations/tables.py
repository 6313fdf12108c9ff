"""Where results stay: `audit.check_runs` and `audit.check_results`."""

from __future__ import annotations

import psycopg

READERS = ("tsur_analyst", "tsur_auditor", "tsur_official")

# One row for each attempt: a run that Airflow repeats keeps its run_id, and the failed attempt
# stays on record.
DDL = """
create table if not exists audit.check_runs (
    check_run_id bigint generated always as identity primary key,
    run_id text not null,
    stage text not null check (stage in ('raw', 'marts')),
    started_at timestamptz not null,
    finished_at timestamptz not null,
    outcome text not null check (outcome in ('passed', 'findings', 'critical'))
);
create index if not exists check_runs_finished_at on audit.check_runs (stage, finished_at desc);
create table if not exists audit.check_results (
    result_id bigint generated always as identity primary key,
    check_run_id bigint not null references audit.check_runs on delete cascade,
    run_id text not null,
    suite text not null,
    check_code text not null,
    title_ru text not null,
    severity text not null check (severity in ('critical', 'finding')),
    schema_name text not null,
    table_name text not null,
    column_name text,
    is_passed boolean not null,
    observed_value numeric,
    unexpected_count bigint,
    total_count bigint,
    sample_ids jsonb not null default '[]',
    details jsonb not null default '{}',
    checked_at timestamptz not null
);
create index if not exists check_results_run on audit.check_results (check_run_id);
comment on table audit.check_runs is
'Прогоны проверок качества: строка на каждую попытку, неудачные тоже.';
comment on table audit.check_results is
'Результаты проверок качества. sample_ids: номера записей, без персональных данных.';
"""


def ensure(connection: psycopg.Connection) -> None:
    """Create the two tables where they are missing, and let the readers read them.

    `connection` belongs to tsur_transformer. Nothing changes when the tables are there. An
    official also needs usage of the schema, which `stack/roles.sql` gives or withholds.
    """
    # Both stages of two runs may start at once: the first one creates, the others wait.
    connection.execute("select pg_advisory_xact_lock(hashtext('audit.check_runs'))")
    connection.execute(DDL)
    connection.execute(
        f"grant select on audit.check_runs, audit.check_results to {', '.join(READERS)}"
    )
    connection.commit()
