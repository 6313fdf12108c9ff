"""A server beside the one of the test run: what is restored goes to another data folder."""

from __future__ import annotations

import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from stack.database import Warehouse
from stack.postgres import PostgresServer, free_port


@pytest.fixture(scope="session")
def other_server() -> Iterator[PostgresServer]:
    """A second server with a data folder of its own."""
    folder = Path(tempfile.mkdtemp(prefix="tsur-restored-"))
    folder.chmod(0o755)
    quick = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    server = PostgresServer(folder, free_port(), secrets.token_urlsafe(16), quick)
    server.start()
    yield server
    server.remove()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def target(other_server: PostgresServer) -> Warehouse:
    """An empty warehouse on the other server, not even made yet."""
    with psycopg.connect(other_server.url(), autocommit=True) as connection:
        connection.execute("drop database if exists warehouse with (force)")
    return Warehouse.for_roles_with_one_password(other_server.url(), other_server.admin_password)
