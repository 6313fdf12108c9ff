"""The schema of `raw`, `ops` and `vault`, migrated by Alembic without an ini file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool

_FOLDER = Path(__file__).resolve().parent


def _configuration() -> Config:
    configuration = Config()
    configuration.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    configuration.set_main_option("path_separator", "os")
    return configuration


def upgrade(database_url: str, revision: str = "head") -> None:
    """Bring the database to `revision`. Safe to call again, and by two processes at once.

    `database_url` is the URL of tsur_owner, `postgresql://user:password@host:port/warehouse`.
    The roles and schemas must exist (`stack/roles.sql`).
    """
    _run(database_url, lambda configuration: command.upgrade(configuration, revision))


def downgrade(database_url: str, revision: str) -> None:
    """Take migrations back to `revision` (`base` = all of them); data of what goes is lost."""
    _run(database_url, lambda configuration: command.downgrade(configuration, revision))


def _run(database_url: str, action: Callable[[Config], None]) -> None:
    url = make_url(database_url).set(drivername="postgresql+psycopg")
    engine = create_engine(url, poolclass=NullPool)
    configuration = _configuration()
    with engine.begin() as connection:
        configuration.attributes["connection"] = connection
        action(configuration)
