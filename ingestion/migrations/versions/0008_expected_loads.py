"""What the enabled sources promise, where SQL can hold it against the loads that came.

Revision ID: 0008
"""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_UP = (
    """
    create table ops.expected_loads (
        source_code text not null,
        entity text not null,
        region_code text not null,
        source_name text not null,
        record_kind text not null,
        time_zone text not null,
        owner text not null,
        warn_hours integer not null check (warn_hours > 0),
        error_hours integer not null check (error_hours >= warn_hours),
        declared_at timestamptz not null default clock_timestamp(),
        primary key (source_code, entity, region_code)
    )
    """,
    """
    comment on table ops.expected_loads is
    'The enabled sources as their YAML declares them; written anew from it, never by hand'
    """,
    "comment on column ops.expected_loads.record_kind is 'Kind of the cases, else the role'",
    "comment on column ops.expected_loads.declared_at is 'Since when the load is expected'",
    "grant select, insert, update, delete on ops.expected_loads to tsur_loader",
    "grant select on ops.expected_loads to tsur_transformer, tsur_auditor",
)


def upgrade() -> None:
    """The table of expected loads; the next start fills it."""
    for statement in _UP:
        op.get_bind().exec_driver_sql(statement)


def downgrade() -> None:
    """Nothing is lost: it is written anew. What reads it (a view of the marts) goes with it."""
    op.execute("drop table ops.expected_loads cascade")
