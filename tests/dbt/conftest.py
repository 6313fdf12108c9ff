"""A warehouse that dbt can build: raw and nlp tables, and a function that runs dbt."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from dbt_runs import Dbt, Query
from raw_rows import RawRows, create_tables
from test_dbt_reference import AS_OF as SANDBOX_AS_OF
from test_dbt_reference import land

from ingestion.sandbox.truth import write_truth
from ingestion.sandbox.world import build_world
from nlp.enrich import enrich
from nlp.tables import ensure as ensure_nlp
from stack.database import Warehouse
from tests.conftest import copied
from tests.reference.marts_reference import Reference

# One value for every call: other variables would have dbt parse the whole project again.
AS_OF = "{as_of: {'*': '2026-03-01T06:00:00+03:00', boston: '2016-01-13T08:00:00-05:00'}}"
PROJECT = Path(__file__).resolve().parents[2] / "dbt_project"


@pytest.fixture(scope="session")
def dbt_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where dbt leaves its artefacts; shared, so that the project is parsed once."""
    return tmp_path_factory.mktemp("dbt")


def dbt_environment(warehouse: Warehouse, dbt_folder: Path) -> dict[str, str]:
    """What dbt reads: the project, the warehouse as the transformer, where artefacts go."""
    parts = urlsplit(warehouse.url("transformer"))
    return {
        **os.environ,
        "TSUR_PG_HOST": parts.hostname or "",
        "TSUR_PG_PORT": str(parts.port),
        "TSUR_PG_DATABASE": warehouse.database,
        "TSUR_PG_USER": parts.username or "",
        "TSUR_PG_PASSWORD": warehouse.passwords["transformer"],
        "DBT_TARGET_PATH": str(dbt_folder / "target"),
        "DBT_LOG_PATH": str(dbt_folder / "logs"),
        "DBT_PROJECT_DIR": str(PROJECT),
        "DBT_PROFILES_DIR": str(PROJECT),
    }


def dbt_on(warehouse: Warehouse, dbt_folder: Path) -> Dbt:
    """Runs dbt as the transformer on a warehouse; fails the test when dbt fails."""
    create_tables(warehouse.url("loader"), warehouse.url("transformer"))
    environment = dbt_environment(warehouse, dbt_folder)

    def run(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        program = str(Path(sys.executable).with_name("dbt"))
        variables = [] if "--vars" in arguments else ["--vars", AS_OF]
        result = subprocess.run(
            [program, *arguments, *variables],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if check and result.returncode != 0:
            pytest.fail(
                f"dbt {' '.join(arguments)}\n{result.stdout[-6000:]}{result.stderr[-2000:]}"
            )
        return result

    return run


@pytest.fixture(scope="module")
def dbt(warehouse: Warehouse, dbt_folder: Path) -> Dbt:
    """Runs dbt as the transformer on the module's warehouse; fails the test when dbt fails."""
    return dbt_on(warehouse, dbt_folder)


@pytest.fixture(scope="session")
def built_sandbox(
    warehouse_template: Warehouse, dbt_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Warehouse]:
    """2,000 cases of the sandbox, enriched and built once; for modules that copy it."""
    with copied(warehouse_template) as warehouse:
        with psycopg.connect(warehouse.url("transformer")) as connection:
            ensure_nlp(connection)
        dbt = dbt_on(warehouse, dbt_folder)
        folder = tmp_path_factory.mktemp("truth")
        write_truth(build_world(seed=11, as_of=SANDBOX_AS_OF, cases=2000), folder)
        rows = RawRows()
        reference = Reference(folder, SANDBOX_AS_OF, {})
        land(rows, reference, reference.records)
        rows.write(warehouse.url("loader"))
        build = ("build", "--quiet", "--exclude-resource-type", "test", "unit_test", "--select")
        dbt(*build, "tag:before_enrichment")
        enrich(warehouse.url("transformer"))
        dbt(*build, "tag:after_enrichment")
        yield warehouse


@pytest.fixture(scope="module")
def query(warehouse: Warehouse) -> Iterator[Query]:
    """Rows of a query, as the transformer."""
    with psycopg.connect(warehouse.url("transformer"), autocommit=True) as connection:
        yield lambda statement: connection.execute(statement).fetchall()


@pytest.fixture(scope="module")
def manifest(dbt: Dbt, dbt_folder: Path) -> dict[str, Any]:
    """What dbt knows of the project."""
    dbt("parse", "--quiet")
    content: dict[str, Any] = json.loads((dbt_folder / "target" / "manifest.json").read_text())
    return content


@pytest.fixture
def raw_rows() -> RawRows:
    """An empty collection of raw rows."""
    return RawRows()
