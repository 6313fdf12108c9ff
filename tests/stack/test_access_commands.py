"""An auditor looks into the vault by a grant, for its time, and never without a trace."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import psycopg
import pytest

from ingestion.vault import Vault
from stack.access import (
    AccessError,
    Identity,
    admit,
    grant_vault,
    hide_block,
    look,
    looks,
    officials,
    revoke_vault,
    show_block,
)
from stack.database import Warehouse

pytestmark = pytest.mark.server

KEY = "dGVzdC1rZXktb2YtdGhlLXZhdWx0LTMyLWJ5dGVzISE="
NAME, PHONE = "p_" + "1" * 32, "p_" + "2" * 32
HOUR = timedelta(hours=1)


@pytest.fixture
def sealed(warehouse: Warehouse) -> Warehouse:
    """Two identities in the vault, and nobody with a grant."""
    vault = Vault(KEY)
    with psycopg.connect(warehouse.url("loader")) as connection:
        for pseudonym, kind, value in (
            (NAME, "person", "Петрова Анна"),
            (PHONE, "phone", "+79112223344"),
        ):
            connection.execute(
                "insert into vault.identities (pseudonym, kind, value_sealed, first_load_id)"
                " values (%s, %s, %s, 1) on conflict do nothing",
                [pseudonym, kind, vault.seal(value.encode())],
            )
    revoke_vault(warehouse.url("owner"), "tsur_auditor", by="test")
    return warehouse


def ask(warehouse: Warehouse, *pseudonyms: str) -> list[Identity]:
    return look(warehouse.url("auditor"), pseudonyms, reason="check 12", vault_key=KEY)


def newest(warehouse: Warehouse) -> dict[str, Any]:
    return looks(warehouse.url("auditor"))[0]


def allow(warehouse: Warehouse, lasting: timedelta = HOUR) -> dict[str, Any]:
    return grant_vault(
        warehouse.url("owner"), "tsur_auditor", lasting=lasting, reason="check 12", by="operator"
    )


def change(warehouse: Warehouse, statement: str) -> None:
    """As the administrator of the server, who stands above all rules."""
    url = warehouse.url("owner").replace("tsur_owner", "postgres")
    with psycopg.connect(url) as connection:
        connection.execute("set session_replication_role = replica")
        connection.execute(statement.encode())


def test_by_a_grant_the_auditor_reads_the_name_and_the_look_stays_on_record(
    sealed: Warehouse,
) -> None:
    granted = allow(sealed)
    assert granted["ends_at"] - granted["granted_at"] == pytest.approx(HOUR, abs=HOUR / 600)
    assert ask(sealed, NAME, PHONE) == [
        Identity(NAME, "person", "Петрова Анна"),
        Identity(PHONE, "phone", "+79112223344"),
    ]
    trace = newest(sealed)
    assert (trace["login"], trace["pseudonyms"], trace["reason"], trace["was_allowed"]) == (
        "tsur_auditor",
        [NAME, PHONE],
        "check 12",
        True,
    )
    assert trace["granted_by"] == "operator"


def test_without_a_grant_nothing_is_shown_and_the_attempt_stays_on_record(
    sealed: Warehouse,
) -> None:
    before = len(looks(sealed.url("auditor")))
    with pytest.raises(AccessError, match="no grant for the vault that is in force"):
        ask(sealed, NAME)
    assert len(looks(sealed.url("auditor"))) == before + 1
    assert newest(sealed)["was_allowed"] is False


def test_a_grant_that_has_ended_or_was_taken_back_opens_nothing(sealed: Warehouse) -> None:
    allow(sealed)
    change(
        sealed,
        "update access.vault_grants set granted_at = granted_at - interval '2 hours',"
        " ends_at = ends_at - interval '2 hours'",
    )
    with pytest.raises(AccessError, match="no grant"):
        ask(sealed, NAME)
    allow(sealed)
    assert revoke_vault(sealed.url("owner"), "tsur_auditor", by="operator") == 1
    with pytest.raises(AccessError, match="no grant"):
        ask(sealed, NAME)


def test_nothing_is_shown_before_the_look_is_on_record(sealed: Warehouse) -> None:
    """Otherwise a transaction that is rolled back would have seen the name without a trace."""
    allow(sealed)
    with psycopg.connect(sealed.url("auditor")) as connection:
        number = connection.execute("select audit.ask_vault(%s, 'why')", [[NAME]]).fetchone()
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="commit it first"):
            connection.execute("select * from audit.open_vault(%s)", number)
        connection.rollback()
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="was not asked for"):
            connection.execute("select * from audit.open_vault(%s)", number)


def test_a_look_of_ten_minutes_ago_is_not_opened_again(sealed: Warehouse) -> None:
    allow(sealed)
    ask(sealed, NAME)
    number = newest(sealed)["look_id"]
    change(sealed, "update audit.vault_looks set asked_at = asked_at - interval '11 minutes'")
    with (
        psycopg.connect(sealed.url("auditor")) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege, match="ask again"),
    ):
        connection.execute("select * from audit.open_vault(%s)", [number])


@pytest.mark.parametrize("role", ["owner", "auditor", "transformer", "loader"])
@pytest.mark.parametrize(
    "statement",
    [
        "update audit.vault_looks set reason = 'another'",
        "delete from audit.vault_looks",
        "truncate audit.vault_looks",
    ],
)
def test_the_record_of_looks_is_changed_by_nobody(
    sealed: Warehouse, role: str, statement: str
) -> None:
    with (
        psycopg.connect(sealed.url(role)) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(statement.encode())


@pytest.mark.parametrize("role", ["transformer", "analyst", "official", "governor", "loader"])
def test_nobody_but_an_auditor_asks(sealed: Warehouse, role: str) -> None:
    with (
        psycopg.connect(sealed.url(role)) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute("select audit.ask_vault(%s, 'why')", [[NAME]])


def test_an_auditor_gives_himself_no_grant_and_nobody_one_of_more_than_a_week(
    sealed: Warehouse,
) -> None:
    with (
        psycopg.connect(sealed.url("auditor")) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(
            "insert into access.vault_grants (login, reason, granted_by, ends_at)"
            " values ('tsur_auditor', 'r', 'b', now() + interval '1 hour')"
        )
    with pytest.raises(AccessError, match="7 days at most"):
        allow(sealed, timedelta(days=8))
    with pytest.raises(AccessError, match="no auditor 'tsur_analyst'"):
        grant_vault(sealed.url("owner"), "tsur_analyst", lasting=HOUR, reason="r", by="b")


def test_an_erased_identity_is_named_and_empty(sealed: Warehouse) -> None:
    allow(sealed)
    with psycopg.connect(sealed.url("loader")) as connection:
        connection.execute(
            "update vault.identities set value_sealed = null, erased_at = now(),"
            " erasure_basis = 'request'"
            " where pseudonym = %s",
            [PHONE],
        )
    assert ask(sealed, PHONE) == [Identity(PHONE, "phone", None)]


def test_a_grant_of_a_block_is_given_once_and_its_past_is_kept(warehouse: Warehouse) -> None:
    url = warehouse.url("owner")
    assert show_block(url, "ivanova", region="tambov", block="HEALTH", by="operator")
    assert not show_block(url, "ivanova", region="tambov", block="HEALTH", by="operator")
    assert hide_block(url, "ivanova", by="operator") == 1
    assert hide_block(url, "ivanova", by="operator") == 0
    assert show_block(url, "ivanova", region="tambov", block="HEALTH", by="operator")
    kept = [row["revoked_by"] for row in officials(url) if row["login"] == "ivanova"]
    assert kept == [None, "operator"]


def test_a_login_of_the_home_keeps_what_was_taken_from_it(warehouse: Warehouse) -> None:
    url = warehouse.url("owner")
    admit(url, ["official", "admin"])
    assert hide_block(url, "official", by="operator") == 1
    admit(url, ["official", "admin"])
    in_force = {row["login"] for row in officials(url) if row["revoked_at"] is None}
    assert "admin" in in_force
    assert "official" not in in_force
