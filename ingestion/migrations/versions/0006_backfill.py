"""Backfills keep their state, so that one that was interrupted goes on where it stopped.

Revision ID: 0006
"""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_UP = (
    """
    create table ops.backfills (
        backfill_id bigint generated always as identity primary key,
        source_code text not null,
        region_code text,
        first_date date not null,
        last_date date not null check (last_date > first_date),
        step_days integer not null check (step_days > 0),
        is_again boolean not null,
        started_by text not null,
        started_at timestamptz not null default clock_timestamp(),
        finished_at timestamptz
    )
    """,
    "comment on column ops.backfills.last_date is 'Excluded'",
    "comment on column ops.backfills.finished_at is 'Null while a window is left to load'",
    """
    create table ops.backfill_windows (
        backfill_id bigint not null references ops.backfills (backfill_id),
        region_code text not null,
        window_from timestamptz not null,
        window_to timestamptz not null,
        state text not null check (state in ('planned', 'skipped', 'running', 'done', 'failed')),
        attempts integer not null default 0,
        calls bigint not null default 0,
        rows_read bigint not null default 0,
        rows_landed bigint not null default 0,
        error_class text,
        error_message text,
        finished_at timestamptz,
        primary key (backfill_id, region_code, window_from)
    )
    """,
    """
    comment on column ops.backfill_windows.state is
    'skipped: loads of before the backfill cover the window; running: also one that was cut off'
    """,
    "grant select, insert, update on ops.backfills, ops.backfill_windows to tsur_loader",
    """
    grant select on ops.backfills, ops.backfill_windows to tsur_transformer, tsur_auditor
    """,
)


def upgrade() -> None:
    """The tables of backfills and their windows."""
    for statement in _UP:
        op.get_bind().exec_driver_sql(statement)


def downgrade() -> None:
    """What was loaded stays; only the state of unfinished backfills is lost."""
    op.execute("drop table ops.backfill_windows, ops.backfills")
