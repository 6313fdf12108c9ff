"""The vault tells apart who asked to be erased and whose time was over.

The first are never learnt again, the second are when they write again. Of those erased before this
nobody knows which it was, so they stay unknown.

Revision ID: 0013
"""

from __future__ import annotations

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_UP = (
    """
    alter table vault.identities
        add column erasure_basis text check (erasure_basis in ('request', 'retention'))
    """,
    "update vault.identities set erasure_basis = 'request' where erased_at is not null",
    """
    alter table vault.identities add constraint identities_erasure_basis
    check ((erasure_basis is null) = (erased_at is null))
    """,
    "grant update (erasure_basis) on vault.identities to tsur_loader",
)
_DOWN = (
    "alter table vault.identities drop constraint identities_erasure_basis",
    "alter table vault.identities drop column erasure_basis",
)


def upgrade() -> None:
    """Each erased identity says why it was."""
    for statement in _UP:
        op.execute(statement)


def downgrade() -> None:
    """The reasons are lost; what was erased stays so."""
    for statement in _DOWN:
        op.execute(statement)
