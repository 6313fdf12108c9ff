"""Fixtures that every test folder shares: a real PostgreSQL, the guard against the network."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from pytest_socket import socket_allow_hosts
from xdist.scheduler.loadscope import LoadScopeScheduling

from stack.database import Warehouse
from stack.postgres import PostgresServer, free_port

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def _loopback_only() -> None:
    """No test reaches a network: only addresses of this machine answer."""
    socket_allow_hosts(["127.0.0.1", "localhost", "::1"], allow_unix_socket=True)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One PostgreSQL for the whole test run, on a free port, without durability."""
    folder = Path(tempfile.mkdtemp(prefix="tsur-test-"))
    folder.chmod(0o755)
    server = PostgresServer(
        folder,
        free_port(),
        secrets.token_urlsafe(16),
        {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"},
    )
    server.start()
    yield server
    server.remove()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def warehouse_template(postgres_server: PostgresServer) -> Warehouse:
    """A migrated, empty warehouse that others are copied from."""
    template = Warehouse.for_roles_with_one_password(
        postgres_server.url(), postgres_server.admin_password
    )
    template.prepare()
    return template


@contextmanager
def copied(template: Warehouse, name: str | None = None) -> Iterator[Warehouse]:
    """A copy of a warehouse on the same server, gone afterwards."""
    copy = replace(template, database=name or f"test_{secrets.token_hex(8)}")
    names = {
        "copy": sql.Identifier(copy.database),
        "template": sql.Identifier(template.database),
    }
    with psycopg.connect(copy.admin_url, autocommit=True) as connection:
        statement = "create database {copy} template {template} owner tsur_owner"
        connection.execute(sql.SQL(statement).format(**names))
    copy.grant()
    yield copy
    with psycopg.connect(copy.admin_url, autocommit=True) as connection:
        connection.execute(sql.SQL("drop database {copy} with (force)").format(**names))


@pytest.fixture(scope="module")
def warehouse(warehouse_template: Warehouse) -> Iterator[Warehouse]:
    """A migrated, empty warehouse of the module's own."""
    with copied(warehouse_template) as copy:
        yield copy


@pytest.fixture(scope="session")
def dbt_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where dbt leaves its artefacts; shared, so that the project is read once."""
    return tmp_path_factory.mktemp("dbt")


def real_data_folder() -> Path | None:
    """The folder of real data; None where there is none."""
    folder = Path(os.environ.get("TSUR_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
    return folder if (folder / "README.md").exists() else None


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data; the test is skipped, with the reason, where there is none."""
    folder = real_data_folder()
    if folder is None:
        pytest.skip("the real data set is not beside this clone (set TSUR_TEST_DATA)")
    return folder


# The fast ones first, so that a plain mistake shows within seconds.
_STAGES = ("server", "real", "slow", "e2e", "browser")
# Modules that share what takes minutes to make.
_TOGETHER = dict.fromkeys(
    (
        "tests/dbt/test_access.py",
        "tests/dbt/test_chart_queries.py",
        "tests/dbt/test_dbt_reference.py",
        "tests/dbt/test_publication.py",
    ),
    "the built sandbox",
)


def _is_end_to_end(nodeid: str) -> bool:
    return nodeid.startswith("tests/e2e/")


def _stage(item: pytest.Item) -> int:
    if _is_end_to_end(item.nodeid):
        return len(_STAGES)
    fixtures = getattr(item, "fixturenames", ())
    names = {marker.name for marker in item.iter_markers()}
    if {"postgres_server", "warehouse"} & set(fixtures):
        names.add("server")
    if "real_data" in fixtures:
        names.add("real")
    return max((_STAGES.index(name) + 1 for name in names if name in _STAGES), default=0)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    items.sort(key=_stage)
    if hasattr(config, "workerinput"):
        # Side by side: one worker begins with the end-to-end tests, for their demos mostly wait.
        items.sort(key=lambda item: not _is_end_to_end(item.nodeid))


class _ModulesTogether(LoadScopeScheduling):
    """A module stays on one worker, for its warehouse is made once; so do all end-to-end tests."""

    def _split_scope(self, nodeid: str) -> str:
        module = nodeid.partition("::")[0]
        return "e2e" if _is_end_to_end(module) else _TOGETHER.get(module, module)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    return _ModulesTogether(config, log)
