"""Whole files in quarantine are kept in parts; the ledger tells in what form a file came.

Revision ID: 0002
"""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_UP = (
    # A value of PostgreSQL ends at 1 GB, and nobody wants to hold a whole file in memory.
    """
    create table ops.quarantine_parts (
        quarantine_id bigint not null references ops.quarantine (quarantine_id) on delete cascade,
        part integer not null check (part > 0),
        content_sealed bytea not null,
        primary key (quarantine_id, part)
    )
    """,
    "grant select, insert on ops.quarantine_parts to tsur_loader",
    """
    insert into ops.quarantine_parts (quarantine_id, part, content_sealed)
    select quarantine_id, 1, raw_sealed from ops.quarantine where is_whole_answer
    """,
    "alter table ops.quarantine alter column raw_sealed drop not null",
    "update ops.quarantine set raw_sealed = null where is_whole_answer",
    """
    alter table ops.quarantine add constraint quarantine_content
    check (is_whole_answer = (raw_sealed is null))
    """,
    "alter table ops.loads add column found jsonb not null default '{}'",
)

_DOWN = (
    "alter table ops.loads drop column found",
    "alter table ops.quarantine drop constraint quarantine_content",
    """
    update ops.quarantine as q set raw_sealed = p.content_sealed
    from ops.quarantine_parts as p where p.quarantine_id = q.quarantine_id and p.part = 1
    """,
    "alter table ops.quarantine alter column raw_sealed set not null",
    "drop table ops.quarantine_parts",
)


def upgrade() -> None:
    """Parts of whole files, and the column `found`."""
    for statement in _UP:
        op.get_bind().exec_driver_sql(statement)


def downgrade() -> None:
    """One value a file again: of a file in several parts only the first is kept."""
    for statement in _DOWN:
        op.get_bind().exec_driver_sql(statement)
