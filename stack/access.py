"""Who sees what: blocks of officials, and an auditor's looks into the vault.

The tables and functions are those of the migration `0010_access`; here a person's commands meet
them. An official is known by his login: the one of Superset, or one of his own on the database
that is a member of tsur_official.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import psycopg
from psycopg.rows import dict_row

from ingestion.vault import Vault

ALL = "*"
LONGEST_GRANT = timedelta(days=7)
MOST_PSEUDONYMS = 100


class AccessError(RuntimeError):
    """What was asked is not given; the message says why and what to do."""


# --- blocks of officials -------------------------------------------------------------------------


def officials(owner_url: str) -> list[dict[str, Any]]:
    """Every grant of a block, those in force first."""
    with psycopg.connect(owner_url, row_factory=dict_row) as connection:
        return connection.execute(
            "select login, region_code, block_code, granted_by, granted_at, revoked_by, revoked_at"
            " from access.official_blocks"
            " order by revoked_at is not null, login, region_code, block_code"
        ).fetchall()


def show_block(owner_url: str, login: str, *, region: str = ALL, block: str = ALL, by: str) -> bool:
    """Let a login see a block of a region (`*`: all of them); False when it sees it already."""
    with psycopg.connect(owner_url) as connection:
        done = connection.execute(
            """
            insert into access.official_blocks (login, region_code, block_code, granted_by)
            values (%s, %s, %s, %s)
            on conflict (login, region_code, block_code) where revoked_at is null do nothing
            """,
            [login, region, block, by],
        )
    return done.rowcount == 1


def hide_block(
    owner_url: str, login: str, *, region: str | None = None, block: str | None = None, by: str
) -> int:
    """Take grants back, all of the login's or those of a region and block; how many they were."""
    with psycopg.connect(owner_url) as connection:
        done = connection.execute(
            """
            update access.official_blocks
            set revoked_by = %(by)s, revoked_at = clock_timestamp()
            where
                login = %(login)s and revoked_at is null
                and region_code = coalesce(%(region)s, region_code)
                and block_code = coalesce(%(block)s, block_code)
            """,
            {"login": login, "region": region, "block": block, "by": by},
        )
    return done.rowcount


def admit(owner_url: str, logins: Iterable[str]) -> None:
    """The logins that a home is made with see all blocks, unless something was said of them."""
    with psycopg.connect(owner_url) as connection:
        connection.execute(
            """
            insert into access.official_blocks (login, region_code, block_code, granted_by)
            select login, '*', '*', 'tsur up'
            from unnest(%s::text[]) as given (login)
            where not exists (
                select from access.official_blocks as known where known.login = given.login
            )
            """,
            [list(logins)],
        )


# --- the vault -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Identity:
    """What the vault holds under a pseudonym; `value` is None for one that was erased."""

    pseudonym: str
    kind: str
    value: str | None


def grant_vault(
    owner_url: str, login: str, *, lasting: timedelta, reason: str, by: str
) -> dict[str, Any]:
    """Let an auditor's login look into the vault for some time: the grant with its end."""
    if not timedelta(0) < lasting <= LONGEST_GRANT:
        raise AccessError(f"A grant for the vault lasts {LONGEST_GRANT.days} days at most.")
    with psycopg.connect(owner_url, row_factory=dict_row) as connection:
        known = connection.execute(
            "select from pg_roles"
            " where rolname = %s and pg_has_role(oid, 'tsur_auditor', 'member')",
            [login],
        ).fetchone()
        if known is None:
            raise AccessError(
                f"The database has no auditor '{login}': tsur_auditor, or a login that is a "
                "member of it."
            )
        (row,) = connection.execute(
            """
            insert into access.vault_grants (login, reason, granted_by, ends_at)
            values (%s, %s, %s, clock_timestamp() + %s)
            returning grant_id, login, reason, granted_by, granted_at, ends_at
            """,
            [login, reason, by, lasting],
        ).fetchall()
    return row


def revoke_vault(owner_url: str, login: str, *, by: str) -> int:
    """End a login's grants for the vault now; how many they were."""
    with psycopg.connect(owner_url) as connection:
        done = connection.execute(
            "update access.vault_grants set revoked_by = %s, revoked_at = clock_timestamp()"
            " where login = %s and revoked_at is null and ends_at > clock_timestamp()",
            [by, login],
        )
    return done.rowcount


def look(
    auditor_url: str, pseudonyms: Sequence[str], *, reason: str, vault_key: str
) -> list[Identity]:
    """Who is behind pseudonyms, by a grant in force. The look is on record before it is answered,
    also one that is refused. Raises AccessError."""
    if not 0 < len(pseudonyms) <= MOST_PSEUDONYMS:
        raise AccessError(f"Ask for 1 to {MOST_PSEUDONYMS} pseudonyms at a time.")
    with psycopg.connect(auditor_url, autocommit=True) as connection:
        asked = connection.execute(
            "select audit.ask_vault(%s, %s)", [list(pseudonyms), reason]
        ).fetchone()
        try:
            found = connection.execute("select * from audit.open_vault(%s)", asked).fetchall()
        except psycopg.errors.InsufficientPrivilege as error:
            told = str(error).splitlines()[0]
            raise AccessError(f"{told}. The data operator gives one: tsur audit grant") from None
    vault = Vault(vault_key)
    return [
        Identity(pseudonym, kind, None if sealed is None else vault.unseal(sealed).decode())
        for pseudonym, kind, sealed, _ in found
    ]


def looks(auditor_url: str, since: datetime | None = None) -> list[dict[str, Any]]:
    """Every look into the vault, the newest first."""
    with psycopg.connect(auditor_url, row_factory=dict_row) as connection:
        return connection.execute(
            """
            select l.look_id, l.login, l.asked_at, l.reason, l.pseudonyms,
                l.grant_id is not null as was_allowed, g.granted_by, g.ends_at
            from audit.vault_looks as l
            left join access.vault_grants as g on g.grant_id = l.grant_id
            where l.asked_at >= coalesce(%s, l.asked_at)
            order by l.look_id desc
            """,
            [since],
        ).fetchall()
