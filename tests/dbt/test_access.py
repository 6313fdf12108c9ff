"""Who reads what of a built warehouse: a role its schemas, an official his block and no other."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import psycopg
import pytest
from dbt_runs import DATABASE
from psycopg import sql
from test_dbt_reference import AS_OF

from expectations.tables import ensure as ensure_audit
from ingestion.sandbox.world import build_world
from stack.access import hide_block, show_block
from stack.database import Warehouse, with_credentials
from tests.conftest import copied

pytestmark = [pytest.mark.server, pytest.mark.slow]


@pytest.fixture(scope="module")
def warehouse(built_sandbox: Warehouse) -> Iterator[Warehouse]:
    """The built sandbox, with four officials of different rights and one who had some."""
    with copied(built_sandbox, DATABASE) as copy:
        url = copy.url("owner")
        show_block(url, "physician", region="tambov", block="HEALTH", by="test")
        show_block(url, "two blocks", region="pskov", block="HCS", by="test")
        show_block(url, "two blocks", region="pskov", block="WASTE", by="test")
        show_block(url, "head of tambov", region="tambov", by="test")
        show_block(url, "head", by="test")
        show_block(url, "dismissed", by="test")
        hide_block(url, "dismissed", by="test")
        with psycopg.connect(copy.url("transformer")) as connection:
            ensure_audit(connection)
        yield copy


def ask(
    warehouse: Warehouse, role: str, query: sql.Composable | str, login: str | None = None
) -> list[tuple[Any, ...]]:
    with psycopg.connect(warehouse.url(role)) as connection:
        if login is not None:
            connection.execute("select set_config('tsur.login', %s, false)", [login])
        if isinstance(query, str):
            query = sql.SQL(query)  # type: ignore[arg-type]
        return connection.execute(query).fetchall()


@pytest.fixture(scope="module")
def guarded(warehouse: Warehouse) -> dict[str, str | None]:
    """Every table of marts that officials may ask and every view over kept rows, with its column of
    blocks."""
    found = ask(
        warehouse,
        "transformer",
        """
        select c.relname, min(a.attname::text) filter (
            where a.attname in ('block_code', 'main_block_code'))
        from pg_class as c
        inner join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0
        where c.relnamespace = 'marts'::regnamespace
            and (c.relkind in ('r', 'p') or 'security_invoker=true' = any(c.reloptions))
            and has_table_privilege('tsur_official', c.oid, 'select')
            and c.relname !~ '^(dim|time_spine)_'
        group by c.relname
        """,
    )
    assert len(found) >= 5
    return dict(found)


@pytest.fixture(scope="module")
def lists(warehouse: Warehouse, guarded: dict[str, str | None]) -> dict[str, list[str]]:
    """The columns of these that are lists of cases."""
    found = ask(
        warehouse,
        "transformer",
        "select attrelid::regclass::text, attname::text from pg_attribute"
        " where atttypid = 'uuid[]'::regtype and attnum > 0",
    )
    columns: dict[str, list[str]] = {}
    for relation, column in found:
        schema, _, table = relation.partition(".")
        if schema == "marts" and guarded.get(table):
            columns.setdefault(table, []).append(column)
    assert len(columns) >= 5
    return columns


def seen(
    warehouse: Warehouse,
    table: str,
    login: str | None,
    role: str = "official",
    but: Sequence[str] = (),
) -> list[tuple[Any, ...]]:
    """The rows that he is shown, without some columns."""
    return ask(warehouse, role, rows(table, sql.SQL("true"), but), login)


def rows_where(
    warehouse: Warehouse, table: str, condition: sql.Composable, but: Sequence[str] = ()
) -> Any:
    return ask(warehouse, "transformer", rows(table, condition, but))


def rows(table: str, condition: sql.Composable, but: Sequence[str]) -> sql.Composable:
    return sql.SQL(
        "select (to_jsonb(t) - {}::text[])::text from {} as t where {} order by 1"
    ).format(sql.Literal(list(but)), sql.Identifier("marts", table), condition)


def ids(
    warehouse: Warehouse, role: str, query: sql.Composable, login: str | None = None
) -> set[Any]:
    return {row[0] for row in ask(warehouse, role, query, login)}


def of_block(column: str, region: str, *blocks: str) -> sql.Composable:
    return sql.SQL("region_code = {} and {} = any({})").format(
        sql.Literal(region), sql.Identifier(column), sql.Literal(list(blocks))
    )


def test_every_table_of_marts_that_officials_read_is_under_row_security(
    warehouse: Warehouse,
) -> None:
    tables = ask(
        warehouse,
        "transformer",
        "select n.nspname, c.relname, c.relrowsecurity, count(p.oid) from pg_class as c"
        " inner join pg_namespace as n on n.oid = c.relnamespace"
        " left join pg_policy as p on p.polrelid = c.oid"
        " where n.nspname in ('marts', 'marts_kept') and c.relkind in ('r', 'p')"
        " and has_table_privilege('tsur_official', c.oid, 'select')"
        " and c.relname !~ '^(dim|time_spine)_' group by 1, 2, 3",
    )
    assert {schema for schema, _, _, _ in tables} == {"marts", "marts_kept"}
    assert [name for _, name, is_on, policies in tables if not is_on or policies != 2] == []


def test_no_view_that_officials_read_goes_round_row_security(warehouse: Warehouse) -> None:
    """A view reads with its owner's rights, unless it says that it reads with the asker's."""
    views = ask(
        warehouse,
        "transformer",
        "select distinct c.relname from pg_class as c"
        " inner join pg_attribute as a on a.attrelid = c.oid"
        " and a.attname in ('block_code', 'main_block_code', 'case_id', 'case_ids')"
        " where c.relnamespace = 'marts'::regnamespace and c.relkind = 'v'"
        " and 'security_invoker=true' <> all(coalesce(c.reloptions, '{}'))"
        " and has_table_privilege('tsur_official', c.oid, 'select')",
    )
    assert views == []


def test_an_official_sees_the_rows_of_his_blocks_and_no_others(
    warehouse: Warehouse, guarded: dict[str, str | None], lists: dict[str, list[str]]
) -> None:
    shown = 0
    for table, column in guarded.items():
        # What a list of cases shows of them is the next test's.
        but = lists.get(table, [])
        found = seen(warehouse, table, "physician", but=but)
        if column is None:
            assert found == [], table
            continue
        assert found == rows_where(warehouse, table, of_block(column, "tambov", "HEALTH"), but), (
            table
        )
        shown += len(found)
        two = seen(warehouse, table, "two blocks", but=but)
        assert two == rows_where(warehouse, table, of_block(column, "pskov", "HCS", "WASTE"), but)
    assert shown > 20


def test_an_official_finds_the_cases_of_his_blocks_in_a_list_and_no_others(
    warehouse: Warehouse, guarded: dict[str, str | None], lists: dict[str, list[str]]
) -> None:
    """A body's rating rests on cases of several blocks: its row is one block's, its list is not."""
    own = ids(
        warehouse,
        "transformer",
        sql.SQL("select case_id from marts.fct_appeals where {}").format(
            of_block("block_code", "tambov", "HEALTH")
        ),
    )
    others = set()
    for table, columns in lists.items():
        mine = of_block(guarded[table] or "block_code", "tambov", "HEALTH")
        for column in columns:
            query = sql.SQL("select unnest({}) from marts.{}").format(
                sql.Identifier(column), sql.Identifier(table)
            )
            there = ids(warehouse, "transformer", query + sql.SQL(" where ") + mine)
            assert ids(warehouse, "official", query, "physician") == there & own, (table, column)
            others |= there - own
    assert others, "no list of a row of his block has a case of another: the test says nothing"


def test_the_official_of_a_region_sees_all_of_it_and_the_head_everything(
    warehouse: Warehouse, guarded: dict[str, str | None]
) -> None:
    for table in guarded:
        everything = rows_where(warehouse, table, sql.SQL("true"))
        region = rows_where(warehouse, table, sql.SQL("region_code = 'tambov'"))
        assert seen(warehouse, table, "head") == everything, table
        assert seen(warehouse, table, "head of tambov") == region, table
        assert seen(warehouse, table, None, "analyst") == everything, table
        assert seen(warehouse, table, None, "auditor") == everything, table


@pytest.mark.parametrize("login", [None, "", "stranger", "dismissed"])
def test_whom_nobody_gave_a_block_sees_no_row(
    warehouse: Warehouse, guarded: dict[str, str | None], login: str | None
) -> None:
    for table in guarded:
        assert seen(warehouse, table, login) == [], table


def test_a_login_of_ones_own_cannot_be_told_for_another(
    warehouse: Warehouse, guarded: dict[str, str | None]
) -> None:
    """Only the shared login of the dashboards says in a setting who asks."""
    password = warehouse.passwords["official"]
    with psycopg.connect(warehouse.admin_url, autocommit=True) as connection:
        connection.execute("drop role if exists test_physician")
        connection.execute(
            sql.SQL("create role test_physician login password {} in role tsur_official").format(
                sql.Literal(password)
            )
        )
    show_block(warehouse.url("owner"), "test_physician", region="tambov", block="HEALTH", by="t")
    own = with_credentials(warehouse.admin_url, "test_physician", password, warehouse.database)
    try:
        for setting in ("", "head", "tsur_official"):
            with psycopg.connect(own) as connection:
                connection.execute("select set_config('tsur.login', %s, false)", [setting])
                blocks = connection.execute(
                    "select distinct region_code, block_code from marts.mart_block_workload"
                ).fetchall()
            assert blocks == [("tambov", "HEALTH")]
        with psycopg.connect(own) as connection:
            connection.execute("set role tsur_official")
            connection.execute("select set_config('tsur.login', 'head', false)")
            blocks = connection.execute(
                "select distinct region_code, block_code from marts.mart_block_workload"
            ).fetchall()
        assert blocks == [("tambov", "HEALTH")]
    finally:
        with psycopg.connect(warehouse.admin_url, autocommit=True) as connection:
            connection.execute("drop role test_physician")


def test_an_official_can_neither_read_nor_change_who_sees_what(warehouse: Warehouse) -> None:
    for statement in (
        "select * from access.official_blocks",
        "insert into access.official_blocks (login, region_code, block_code, granted_by)"
        " values ('physician', '*', '*', 'physician') returning 1",
        "select * from marts.fct_appeals",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            ask(warehouse, "official", statement, "physician")


READABLE = {
    "analyst": {"audit", "marts", "marts_kept", "marts_public", "reference"},
    "official": {"marts", "marts_kept", "reference"},
    "governor": {"marts_public"},
    "auditor": {"access", "audit", "marts", "marts_kept", "marts_public", "ops", "reference"},
}


@pytest.mark.parametrize("role", READABLE)
def test_a_role_reads_its_schemas_and_no_others(warehouse: Warehouse, role: str) -> None:
    found = ask(
        warehouse,
        "owner",
        f"""
        select distinct n.nspname
        from pg_class as c inner join pg_namespace as n on n.oid = c.relnamespace
        where c.relkind in ('r', 'v', 'm', 'p') and n.nspname not in
            ('pg_catalog', 'information_schema')
            and has_schema_privilege('tsur_{role}', n.oid, 'usage')
            and has_any_column_privilege('tsur_{role}', c.oid, 'select')
        """,
    )
    assert {name for (name,) in found} == READABLE[role]


@pytest.mark.parametrize("role", READABLE)
def test_no_reader_changes_anything(warehouse: Warehouse, role: str) -> None:
    assert (
        ask(
            warehouse,
            "owner",
            f"""
            select c.oid::regclass::text
            from pg_class as c inner join pg_namespace as n on n.oid = c.relnamespace
            where c.relkind in ('r', 'v', 'p') and n.nspname not in
                ('pg_catalog', 'information_schema') and n.nspname !~ '^pg_'
                and (
                    has_table_privilege('tsur_{role}', c.oid, 'insert, update, delete, truncate')
                    or has_any_column_privilege('tsur_{role}', c.oid, 'insert, update')
                )
            """,
        )
        == []
    )


def test_an_analyst_finds_no_contact_of_a_person_in_anything_that_he_reads(
    warehouse: Warehouse,
) -> None:
    world = build_world(seed=11, as_of=AS_OF, cases=2000)
    mails = {case.person.email for case in world.cases if case.person.email in case.text}
    phones = {case.person.phone[2:] for case in world.cases}
    assert len(mails) > 50
    for relation, column in ask(
        warehouse,
        "analyst",
        """
        select c.oid::regclass::text, a.attname::text
        from pg_class as c inner join pg_attribute as a on a.attrelid = c.oid
        where c.relkind in ('r', 'v') and a.attnum > 0 and not a.attisdropped
            and c.relnamespace::regnamespace::text
            in ('marts', 'marts_kept', 'marts_public', 'reference', 'audit')
            and a.atttypid::regtype::text in ('text', 'text[]', 'jsonb')
            and has_column_privilege(c.oid, a.attnum, 'select')
        """,
    ):
        query = sql.SQL("select distinct {}::text from {}").format(
            sql.Identifier(column), sql.SQL(relation)
        )
        for (value,) in ask(warehouse, "analyst", query):
            if not value:
                continue
            assert not mails & set(re.findall(r"[\w.]+@[\w.]+", value)), (relation, column)
            digits = re.findall(r"9\d{9}", re.sub(r"[ ()+-]", "", value))
            assert not phones & set(digits), (relation, column)


def test_who_sees_aggregates_only_never_sees_a_count_below_five(warehouse: Warehouse) -> None:
    counts = {
        "public_deadline_compliance": ("due_cohort", "on_time", "not_on_time"),
        "public_block_workload": ("intake", "closures", "open_cases"),
        "public_agency_rating": ("due_cycles", "answered_cycles"),
    }
    for view, columns in counts.items():
        all_shown = 0
        for column in columns:
            ((small, shown, hidden),) = ask(
                warehouse,
                "governor",
                f"select count(*) filter (where {column} < 5), count({column}),"
                f" count(*) - count({column}) from marts_public.{view}",
            )
            assert small == 0, (view, column)
            assert hidden > 0, (view, column)
            all_shown += shown
        assert all_shown > 10, view


def test_what_is_hidden_cannot_be_had_by_subtracting_from_a_total(warehouse: Warehouse) -> None:
    """Of each column: none is hidden alone beside its total, and the hidden ones are five or more
    together; where the parts of a row are hidden, both are."""
    views = {
        "public_deadline_compliance": ("month_date", ("due_cohort", "on_time", "not_on_time")),
        "public_block_workload": ("week_start", ("intake", "closures", "open_cases")),
    }
    groups = 0
    for view, (period, columns) in views.items():
        for column in columns:
            for total, shown, hidden in ask(
                warehouse,
                "governor",
                f"""
                select max({column}) filter (where block_code is null),
                    coalesce(sum({column}) filter (where block_code is not null), 0),
                    count(*) filter (where block_code is not null and {column} is null)
                from marts_public.{view} group by region_code, {period}
                """,
            ):
                if total is None or hidden == 0:
                    continue
                groups += 1
                assert hidden >= 2, (view, column)
                assert total - shown >= 5, (view, column)
    assert groups > 50
