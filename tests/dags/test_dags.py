"""The DAGs are wiring: made from the YAMLs, chained by assets, owned, documented, retried."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from ingestion.source import load_sources
from stack import pipeline
from stack.settings import REPOSITORY
from tests.dags.conftest import SANDBOX

DAG_FILES = sorted((REPOSITORY / "dags").glob("*.py"))
HEAVY = {"dbt", "pandas", "spacy", "great_expectations", "natasha", "openpyxl", "requests"}


def test_airflow_reads_every_file_without_an_error(bag: dict) -> None:
    assert bag["errors"] == {}
    assert {"warehouse", "quality", "dashboards", "freshness", "maintenance"} <= set(bag["dags"])


def test_every_enabled_source_has_a_dag_and_no_other_has(bag: dict) -> None:
    sources = load_sources(pipeline.SOURCES_FOLDER, SANDBOX)
    enabled = {f"ingest_{source.code}" for source in sources.values() if source.is_enabled}
    assert enabled
    assert {dag_id for dag_id in bag["dags"] if dag_id.startswith("ingest_")} == enabled


def test_every_dag_names_its_owner_its_tier_and_what_to_do(bag: dict) -> None:
    for dag_id, dag in bag["dags"].items():
        assert any(tag.startswith("tier-") for tag in dag["tags"]), dag_id
        assert "Что может сломаться" in dag["doc_md"], dag_id
        assert "что делать" in dag["doc_md"], dag_id
        owners = {task["owner"] for task in dag["tasks"].values()}
        assert "airflow" not in owners, f"{dag_id}: a task has no owner of its own"


def test_no_dag_fills_the_past_by_itself_or_runs_twice_at_once(bag: dict) -> None:
    for dag_id, dag in bag["dags"].items():
        assert dag["catchup"] is False, dag_id
        assert dag["max_active_runs"] == 1, dag_id


def test_the_warehouse_waits_for_all_sources_and_each_next_one_for_the_one_before(
    bag: dict,
) -> None:
    dags = bag["dags"]
    produced = {
        dag_id: sorted({uri for task in dag["tasks"].values() for uri in task["outlets"] if uri})
        for dag_id, dag in dags.items()
    }
    raw = sorted(
        uri for dag_id, uris in produced.items() if dag_id[:7] == "ingest_" for uri in uris
    )
    assert dags["warehouse"]["assets"] == raw
    assert dags["quality"]["assets"] == produced["warehouse"] == [pipeline.MARTS_ASSET]
    assert dags["dashboards"]["assets"] == produced["quality"] == [pipeline.CHECKED_ASSET]


def test_late_sources_are_asked_for_every_hour_though_the_warehouse_waits_for_them(
    bag: dict,
) -> None:
    freshness = bag["dags"]["freshness"]
    assert re.fullmatch(r"\d+ \* \* \* \*", freshness["clock"])
    assert freshness["assets"] == [pipeline.MARTS_ASSET]
    assert "source_freshness" in freshness["tasks"]


def test_enrichment_stands_between_the_two_builds(bag: dict) -> None:
    tasks = bag["dags"]["warehouse"]["tasks"]
    assert tasks["check_raw"]["downstream"] == ["before_enrichment"]
    assert tasks["before_enrichment"]["downstream"] == ["enrich"]
    assert tasks["enrich"]["downstream"] == ["after_enrichment"]


def test_the_marts_are_announced_by_the_build_that_made_them(bag: dict) -> None:
    tasks = bag["dags"]["warehouse"]["tasks"]
    assert tasks["after_enrichment"]["outlets"] == [pipeline.MARTS_ASSET]
    assert tasks["after_enrichment"]["trigger_rule"] == "all_success"


def test_what_follows_a_critical_check_needs_its_success(bag: dict) -> None:
    quality = bag["dags"]["quality"]["tasks"]
    assert "publish" in quality["check_marts"]["downstream"]
    assert quality["publish"]["trigger_rule"] == "all_success"
    # A check that failed is not tried again: the data would be the same.
    assert quality["check_marts"]["retries"] == 0


def test_what_talks_to_sources_and_databases_is_retried(bag: dict) -> None:
    for dag_id, dag in bag["dags"].items():
        for task_id, task in dag["tasks"].items():
            if task_id not in {"check_raw", "check_marts"}:
                assert task["retries"] >= 1, f"{dag_id}.{task_id}"


@pytest.mark.parametrize("path", DAG_FILES, ids=lambda path: path.name)
def test_a_dag_file_imports_nothing_heavy_and_reads_no_environment(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    modules = {
        name.split(".")[0]
        for node in tree.body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
        )
    }
    assert modules & HEAVY == set()
    assert "os" not in modules
    assert "SELECT " not in path.read_text(encoding="utf-8").upper().replace("SELECT=", "")


def test_nothing_imports_from_the_folder_of_dags() -> None:
    for folder in ("stack", "ingestion", "nlp", "expectations"):
        for path in (REPOSITORY / folder).rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            assert "from dags" not in text, path
            assert "import dags" not in text, path
