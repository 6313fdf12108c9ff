"""The version of the configuration follows from the seeds, and from nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from dbt_runs import PROJECT, Dbt

pytestmark = [pytest.mark.server, pytest.mark.slow]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the dbt project that may be changed."""
    ignored = shutil.ignore_patterns("target", "logs")
    return Path(shutil.copytree(PROJECT, tmp_path / "project", ignore=ignored))


def version_of(dbt: Dbt, project: Path, known: Path) -> str:
    """What a model of the project would write; `known`: what dbt read of the repository."""
    told = dbt(
        *("compile", "--quiet", "--inline", "version={{ config_version() }}"),
        *("--project-dir", str(project), "--profiles-dir", str(project)),
        *("--target-path", str(project / "target")),
        *("--partial-parse-file-path", str(known / "target" / "partial_parse.msgpack")),
    )
    return told.stdout.rpartition("version=")[2].strip()


def test_a_changed_row_of_a_seed_is_another_configuration_and_a_changed_model_is_not(
    dbt: Dbt, project: Path, dbt_folder: Path
) -> None:
    first = version_of(dbt, project, dbt_folder)
    model = project / "models" / "marts" / "registers" / "mart_votes.sql"
    model.write_text(f"-- Another comment.\n{model.read_text('utf-8')}", "utf-8")
    assert version_of(dbt, project, dbt_folder) == first
    seed = project / "seeds" / "workload_norms.csv"
    kept = seed.read_text("utf-8")
    seed.write_text(kept.rpartition("\n")[0].rpartition("\n")[0] + "\n", "utf-8")
    changed = version_of(dbt, project, dbt_folder)
    assert len(changed) == len(first) == 12
    assert changed != first
    seed.write_text(kept, "utf-8")
    assert version_of(dbt, project, dbt_folder) == first


def test_dbt_hashes_the_content_of_every_seed(manifest: dict[str, Any]) -> None:
    seeds = [node for node in manifest["nodes"].values() if node["resource_type"] == "seed"]
    assert len(seeds) == len(list(PROJECT.glob("seeds/*.csv")))
    assert {seed["checksum"]["name"] for seed in seeds} == {"sha256"}


def test_every_mart_writes_the_version_that_follows_from_the_seeds(
    manifest: dict[str, Any],
) -> None:
    written = [
        node
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model"
        and node["schema"] == "marts"
        and "config_version" in node["columns"]
    ]
    assert len(written) > 20
    for node in written:
        assert "config_version() }}' as config_version" in node["raw_code"], node["name"]
