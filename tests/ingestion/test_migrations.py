"""The landing schema: who may do what, and that it goes up and down."""

from __future__ import annotations

import psycopg
import pytest

from ingestion.migrations import downgrade, upgrade
from stack.database import Warehouse


def test_migrating_twice_changes_nothing(warehouse: Warehouse) -> None:
    upgrade(warehouse.url("owner"))
    with psycopg.connect(warehouse.url("owner")) as connection:
        versions = connection.execute("select version_num from ops.schema_version").fetchall()
    assert len(versions) == 1


def test_the_loader_makes_a_raw_table_that_it_cannot_change(warehouse: Warehouse) -> None:
    with psycopg.connect(warehouse.url("loader"), autocommit=True) as connection:
        connection.execute("select raw.create_entity_table('sample')")
        connection.execute("select raw.create_entity_table('sample')")
        assert connection.execute("select count(*) from raw.sample").fetchone() == (0,)
        for statement in ("update raw.sample set is_deleted = true", "delete from raw.sample"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)


@pytest.mark.parametrize("name", ["x; drop table ops.loads", "Upper", "", "1st", "a" * 60, 'a"b'])
def test_a_raw_table_name_that_is_no_plain_word_is_refused(warehouse: Warehouse, name: str) -> None:
    with (
        psycopg.connect(warehouse.url("loader"), autocommit=True) as connection,
        pytest.raises(psycopg.errors.InvalidName),
    ):
        connection.execute("select raw.create_entity_table(%s)", [name])


@pytest.mark.parametrize("role", ["transformer", "analyst", "official", "auditor"])
def test_nobody_but_the_loader_reads_the_vault(warehouse: Warehouse, role: str) -> None:
    with (
        psycopg.connect(warehouse.url(role), autocommit=True) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute("select * from vault.identities")


@pytest.mark.parametrize("role", ["analyst", "official", "auditor"])
def test_readers_of_reports_do_not_read_raw(warehouse: Warehouse, role: str) -> None:
    with psycopg.connect(warehouse.url("loader"), autocommit=True) as connection:
        connection.execute("select raw.create_entity_table('closed')")
    with (
        psycopg.connect(warehouse.url(role), autocommit=True) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute("select * from raw.closed")


def test_an_unbalanced_load_cannot_be_called_a_success(warehouse: Warehouse) -> None:
    with (
        psycopg.connect(warehouse.url("loader"), autocommit=True) as connection,
        pytest.raises(psycopg.errors.CheckViolation),
    ):
        connection.execute(
            "insert into ops.loads (run_id, source_code, entity, region_code, outcome,"
            " finished_at, rows_read, rows_landed)"
            " values ('r', 's', 'e', 'x', 'success', now(), 3, 2)"
        )


def test_the_migrations_can_be_taken_back_and_run_again(warehouse: Warehouse) -> None:
    downgrade(warehouse.url("owner"), "base")
    with psycopg.connect(warehouse.url("owner")) as connection:
        left = connection.execute(
            "select count(*) from pg_tables where schemaname in ('raw', 'vault')"
        ).fetchone()
    assert left == (0,)
    upgrade(warehouse.url("owner"))
