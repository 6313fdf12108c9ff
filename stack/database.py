"""The warehouse database: roles, schemas, grants, migrations.

The same code path serves the embedded server and any PostgreSQL >= 15 (`TSUR_DATABASE_URL`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
from psycopg import sql

ROLES = ("owner", "loader", "transformer", "analyst", "official", "governor", "auditor")
APPLICATION_ROLES = ("airflow", "superset")
ROLES_FILE = Path(__file__).with_name("roles.sql")


def with_credentials(url: str, user: str, password: str, database: str) -> str:
    """The same server, another login and database."""
    parts = urlsplit(url)
    address = parts.netloc.rpartition("@")[2]
    login = f"{quote(user, safe='')}:{quote(password, safe='')}"
    return urlunsplit((parts.scheme, f"{login}@{address}", f"/{database}", parts.query, ""))


@dataclass(frozen=True)
class Warehouse:
    """The warehouse and its login roles, on one server.

    `admin_url` is a login that may create roles and databases; `passwords` maps each name of
    `ROLES` (without the prefix `tsur_`) and `APPLICATION_ROLES` to its password.
    """

    admin_url: str
    passwords: dict[str, str]
    database: str = "warehouse"

    @classmethod
    def for_roles_with_one_password(cls, admin_url: str, password: str) -> Warehouse:
        """For scratch servers and tests."""
        return cls(admin_url, dict.fromkeys((*ROLES, *APPLICATION_ROLES), password))

    def url(self, role: str) -> str:
        """The URL of a role on the warehouse, psycopg and libpq style."""
        return with_credentials(self.admin_url, f"tsur_{role}", self.passwords[role], self.database)

    def application_url(self, application: str) -> str:
        """The URL of the metadata database of `airflow` or `superset`."""
        return with_credentials(
            self.admin_url, application, self.passwords[application], application
        )

    def prepare(self) -> None:
        """Create or repair roles, databases, schemas and grants, then migrate."""
        from ingestion.migrations import upgrade

        self.create_roles()
        self.create_database(self.database, "tsur_owner")
        for application in APPLICATION_ROLES:
            self.create_database(application, application)
        self.grant()
        upgrade(self.url("owner"))

    def create_roles(self) -> None:
        with psycopg.connect(self.admin_url, autocommit=True) as connection:
            present = {row[0] for row in connection.execute("select rolname from pg_roles")}
            names = [(f"tsur_{role}", role) for role in ROLES]
            names += [(application, application) for application in APPLICATION_ROLES]
            for name, key in names:
                verb = "alter" if name in present else "create"
                connection.execute(
                    sql.SQL("{verb} role {name} login password {password}").format(
                        verb=sql.SQL(verb),
                        name=sql.Identifier(name),
                        password=sql.Literal(self.passwords[key]),
                    )
                )

    def create_database(self, database: str, owner: str) -> None:
        with psycopg.connect(self.admin_url, autocommit=True) as connection:
            found = connection.execute(
                "select 1 from pg_database where datname = %s", [database]
            ).fetchone()
            if found is None:
                connection.execute(
                    sql.SQL("create database {} owner {}").format(
                        sql.Identifier(database), sql.Identifier(owner)
                    )
                )
            connection.execute(
                sql.SQL("revoke connect on database {} from public").format(
                    sql.Identifier(database)
                )
            )

    def grant(self) -> None:
        text = ROLES_FILE.read_text(encoding="utf-8")
        statement = sql.SQL(text).format(database=sql.Identifier(self.database))
        with psycopg.connect(self.url("owner")) as connection:
            connection.execute(statement)
