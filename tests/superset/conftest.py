"""A Superset of the tests' own: metadata and marts on the session's PostgreSQL."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from stack.access import admit, show_block
from stack.database import Warehouse, with_credentials
from stack.settings import REPOSITORY, Settings

HERE = Path(__file__).parent
FOLDER = REPOSITORY / "superset"
# The package lies beside the configuration; the repository's root does not make it importable.
sys.path.insert(0, str(FOLDER))


@dataclass(frozen=True)
class SupersetInstance:
    """How to run one of our modules in Superset's environment against the test databases."""

    python: Path
    variables: dict[str, str]
    logins: dict[str, dict[str, str]]

    def run(self, *arguments: str, **extra: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.python), *arguments],
            env={**self.variables, **extra},
            cwd=self.variables["SUPERSET_HOME"],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )


@pytest.fixture(scope="session")
def superset_python() -> Path:
    """Superset's Python; without that environment the test is skipped with the reason."""
    python = Settings().superset_python
    if not python.exists():
        pytest.skip(f"Superset's environment is not built: {python} (make env)")
    return python


@pytest.fixture(scope="module")
def instance(
    warehouse: Warehouse, superset_python: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SupersetInstance]:
    """Marts filled with invented figures, an empty metadata database, nothing synchronised yet."""
    home = tmp_path_factory.mktemp("superset")
    with psycopg.connect(warehouse.url("owner"), autocommit=True) as connection:
        connection.execute((HERE / "marts.sql").read_text("utf-8").encode())
    admit(warehouse.url("owner"), ["admin", "official", "analyst"])
    show_block(warehouse.url("owner"), "physician", region="tambov", block="HEALTH", by="test")
    database = f"{warehouse.database}_superset"
    with psycopg.connect(warehouse.admin_url, autocommit=True) as connection:
        connection.execute(
            sql.SQL("create database {} owner superset").format(sql.Identifier(database))
        )
    logins = {
        name: {"username": name, "password": secrets.token_urlsafe(12)}
        for name in ("admin", "official", "analyst")
    }
    file = home / "logins.json"
    file.touch(mode=0o600)
    file.write_text(json.dumps(logins))
    variables = {
        **{key: value for key, value in os.environ.items() if not key.startswith("PYTHON")},
        "PYTHONPATH": str(FOLDER),
        "SUPERSET_HOME": str(home),
        "TSUR_SUPERSET_SECRET_KEY": secrets.token_urlsafe(40),
        "TSUR_SUPERSET_DATABASE_URL": with_credentials(
            warehouse.admin_url, "superset", warehouse.passwords["superset"], database
        ),
        "TSUR_SUPERSET_OFFICIAL_DATABASE_URL": warehouse.url("official"),
        "TSUR_SUPERSET_ANALYST_DATABASE_URL": warehouse.url("analyst"),
        "TSUR_SUPERSET_LOGINS": str(file),
        "TSUR_SUPERSET_CACHE_DIR": str(home / "cache"),
    }
    yield SupersetInstance(superset_python, variables, logins)
    with psycopg.connect(warehouse.admin_url, autocommit=True) as connection:
        connection.execute(
            sql.SQL("drop database {} with (force)").format(sql.Identifier(database))
        )


@pytest.fixture(scope="module")
def first_sync(instance: SupersetInstance) -> subprocess.CompletedProcess[str]:
    """The first run of the command on an empty metadata database."""
    result = instance.run("-m", "tsur_superset.sync", "--verify")
    assert result.returncode == 0, result.stderr[-4000:]
    return result


@pytest.fixture(scope="module")
def observed(
    instance: SupersetInstance, first_sync: subprocess.CompletedProcess[str]
) -> dict[str, Any]:
    """What `probe.py` saw inside Superset: one process for all questions, since a start costs."""
    result = instance.run(str(HERE / "probe.py"))
    assert result.returncode == 0, result.stderr[-4000:]
    answer: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return answer
