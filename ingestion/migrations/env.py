"""Alembic's entry: runs the migrations on the connection that `ingestion.migrations` opened."""

from __future__ import annotations

from alembic import context
from sqlalchemy import text

connection = context.config.attributes["connection"]
# Two starting stacks must not migrate at once; the lock ends with the transaction.
connection.execute(text("select pg_advisory_xact_lock(hashtext('ingestion.migrations'))"))
context.configure(
    connection=connection,
    version_table="schema_version",
    version_table_schema="ops",
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
