"""A load takes back what it has just written itself.

A load lands in batches. When a key comes again in a later batch, one of its versions stays: the
others are taken out before anybody has seen them. The loader may still not delete: the function
removes only rows that its own transaction wrote.

Revision ID: 0007
"""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_RETRACT = """
create function raw.retract(name text, raw_ids bigint[]) returns bigint
language plpgsql security definer set search_path = pg_catalog
as $$
declare retracted bigint;
begin
    execute format(
        'delete from raw.%I where raw_id = any($1) and xmin = pg_current_xact_id()::xid', name)
    using raw_ids;
    get diagnostics retracted = row_count;
    if retracted <> cardinality(raw_ids) then
        raise exception 'raw.%: only rows that this transaction wrote can be retracted', name
            using errcode = 'insufficient_privilege';
    end if;
    return retracted;
end
$$
"""


def _run(statement: str) -> None:
    # exec_driver_sql: the text holds percent signs that are not parameters.
    op.get_bind().exec_driver_sql(statement.replace("%", "%%"))


def upgrade() -> None:
    """Create the function, for the loader alone."""
    _run(_RETRACT)
    _run("revoke all on function raw.retract(text, bigint[]) from public")
    _run("grant execute on function raw.retract(text, bigint[]) to tsur_loader")


def downgrade() -> None:
    """Drop the function."""
    _run("drop function raw.retract(text, bigint[])")
