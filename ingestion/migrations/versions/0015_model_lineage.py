"""Models know those that they follow from without asking dbt for its graph, each of them anew.

Revision ID: 0015
"""

from __future__ import annotations

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_UP = (
    """
    create table audit.model_lineage (
        model text primary key,
        models_before text[] not null
    )
    """,
    """
    comment on table audit.model_lineage is
    'Из чего следует модель, как знала последняя сборка / What a model follows from, as the last '
    'build knew'
    """,
    """
    comment on column audit.model_lineage.models_before is
    'All models upstream, at any distance, that audit.model_states speaks of'
    """,
    "grant select, insert, delete on audit.model_lineage to tsur_transformer",
    "grant select on audit.model_lineage to tsur_analyst, tsur_auditor",
)


def upgrade() -> None:
    """A build writes the lineage of the project when it begins."""
    for statement in _UP:
        op.execute(statement)


def downgrade() -> None:
    """The models of an earlier revision ask dbt."""
    op.execute("drop table audit.model_lineage")
