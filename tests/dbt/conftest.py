"""A warehouse that dbt can build: raw and nlp tables, and a function that runs dbt."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from dbt_runs import DATABASE, VARIABLES, Dbt, Query, dbt_environment
from raw_rows import RawRows, create_tables
from test_dbt_reference import AS_OF, land

from ingestion.sandbox.truth import write_truth
from ingestion.sandbox.world import build_world
from nlp.enrich import enrich
from nlp.tables import ensure as ensure_nlp
from stack.database import Warehouse
from tests.conftest import copied
from tests.reference.marts_reference import Reference


def dbt_on(warehouse: Warehouse, dbt_folder: Path) -> Dbt:
    """Runs dbt as the transformer on a warehouse; fails the test when dbt fails."""
    create_tables(warehouse.url("loader"), warehouse.url("transformer"))
    environment = dbt_environment(warehouse, dbt_folder)

    def run(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        program = str(Path(sys.executable).with_name("dbt"))
        variables = [] if "--vars" in arguments else ["--vars", VARIABLES]
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
def warehouse(warehouse_template: Warehouse) -> Iterator[Warehouse]:
    """A migrated, empty warehouse of the module's own, of the name that dbt knows."""
    with copied(warehouse_template, DATABASE) as copy:
        yield copy


@pytest.fixture(scope="session")
def first_reading(warehouse_template: Warehouse, dbt_folder: Path) -> str:
    """What dbt says when it reads the whole project, once for all that follows."""
    known = replace(warehouse_template, database=DATABASE)
    done = subprocess.run(
        [
            *(str(Path(sys.executable).with_name("dbt")), "parse"),
            *("--show-all-deprecations", "--vars", VARIABLES),
        ],
        env=dbt_environment(known, dbt_folder),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def dbt(warehouse: Warehouse, dbt_folder: Path, first_reading: str) -> Dbt:
    """Runs dbt as the transformer on the module's warehouse; fails the test when dbt fails."""
    return dbt_on(warehouse, dbt_folder)


@pytest.fixture(scope="session")
def built_sandbox(
    warehouse_template: Warehouse,
    dbt_folder: Path,
    first_reading: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Warehouse]:
    """2,000 cases of the sandbox, enriched and built once; for modules that copy it."""
    with ExitStack() as stack:
        with copied(warehouse_template, DATABASE) as warehouse:
            with psycopg.connect(warehouse.url("transformer")) as connection:
                ensure_nlp(connection)
            dbt = dbt_on(warehouse, dbt_folder)
            folder = tmp_path_factory.mktemp("truth")
            write_truth(build_world(seed=11, as_of=AS_OF, cases=2000), folder)
            rows = RawRows()
            reference = Reference(folder, AS_OF, {})
            land(rows, reference, reference.records)
            rows.write(warehouse.url("loader"))
            build = ("build", "--quiet", "--exclude-resource-type", "test", "unit_test", "--select")
            dbt(*build, "tag:before_enrichment")
            enrich(warehouse.url("transformer"))
            dbt(*build, "tag:after_enrichment")
            built = stack.enter_context(copied(warehouse))
        yield built


@pytest.fixture(scope="module")
def query(warehouse: Warehouse) -> Iterator[Query]:
    """Rows of a query, as the transformer."""
    with psycopg.connect(warehouse.url("transformer"), autocommit=True) as connection:
        yield lambda statement: connection.execute(statement).fetchall()


@pytest.fixture(scope="module")
def manifest(first_reading: str, dbt_folder: Path) -> dict[str, Any]:
    """What dbt knows of the project."""
    content: dict[str, Any] = json.loads((dbt_folder / "target" / "manifest.json").read_text())
    return content


@pytest.fixture
def raw_rows() -> RawRows:
    """An empty collection of raw rows."""
    return RawRows()
