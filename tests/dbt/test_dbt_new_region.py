"""The tutorial is true: its folder becomes a sixth region, and dbt builds what it says."""

from __future__ import annotations

import csv
import json
import re
import shutil
from functools import partial
from pathlib import Path

import pytest
from dbt_runs import Dbt, Query
from typer.testing import CliRunner, Result

from stack.cli import app
from stack.regions import configuration

REPOSITORY = Path(__file__).resolve().parents[2]
TUTORIAL = REPOSITORY / "docs" / "tutorials" / "new_region.md"
Table = list[list[str]]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the dbt project whose seeds the commands work on, from an empty folder."""
    copy = tmp_path / "dbt_project"
    shutil.copytree(
        REPOSITORY / "dbt_project", copy, ignore=shutil.ignore_patterns("target", "logs")
    )
    reader = partial(configuration.load_configuration, copy / "seeds")
    monkeypatch.setattr(configuration, "load_configuration", reader)
    monkeypatch.chdir(tmp_path)
    return copy


def region(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["region", *arguments])


def told_commands() -> list[list[str]]:
    """The arguments of every `tsur region` of the tutorial, in its order."""
    lines = re.findall(r"^    \./tsur region (.*)$", TUTORIAL.read_text("utf-8"), re.MULTILINE)
    return [line.partition("#")[0].split() for line in lines]


def told_files() -> dict[str, str]:
    """File, or file and row, → the CSV that the tutorial shows for it."""
    return dict(re.findall(r"```csv\n# (.*?)\n(.*?)```", TUTORIAL.read_text("utf-8"), re.DOTALL))


def table(path: Path) -> Table:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def write(path: Path, rows: Table) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)


def put_requirement(folder: Path, code: str) -> None:
    """The row of a requirement becomes the one that the tutorial shows."""
    (told,) = csv.reader([told_files()[f"requirements.csv, row {code}"].strip()])
    rows = table(folder / "requirements.csv")
    write(folder / "requirements.csv", [told if row[1] == code else row for row in rows])


def fill_in(folder: Path) -> None:
    """The files of the tutorial; a clause and a date for every requirement, as its reader would."""
    for place, held in told_files().items():
        if "," not in place:
            (folder / place).write_text(held, encoding="utf-8")
    heading, *rows = table(folder / "requirements.csv")
    cells = [dict(zip(heading, row, strict=True)) for row in rows]
    for row in cells:
        row["clause"] = "—" if row["state"] == "outside the act" else "2"
        row["valid_from"] = "2026-01-15"
    write(folder / "requirements.csv", [heading, *(list(row.values()) for row in cells)])


def left(result: Result) -> list[str]:
    """What `validate` still finds."""
    return re.findall(r"✗ (.*)", result.output)


def follow(folder: Path) -> None:
    """Steps 1 to 4 of the tutorial."""
    new, validate, plan, add, *_ = told_commands()
    assert region(*new).exit_code == 0
    empty = region(*validate)
    assert empty.exit_code == 1
    assert any("requirements.csv:2: clause is empty" in line for line in left(empty))
    fill_in(folder)
    put_requirement(folder, "workload")
    (leaning,) = left(region(*validate))
    assert "mart_block_workload is not labelled «вне положения»" in leaning
    put_requirement(folder, "staff")
    assert left(region(*validate)) == []
    before = (configuration.load_configuration().folder / "regions.csv").read_bytes()
    region(*plan)
    assert (configuration.load_configuration().folder / "regions.csv").read_bytes() == before
    region(*add)


def test_the_folder_of_the_tutorial_becomes_a_region_that_explains_itself(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    follow(tmp_path / "primer")
    told = json.loads(region("explain", "primer", "--json", "--on", "2026-02-01").stdout)
    clauses = {row["requirement"]: (row["state"], row["clause"]) for row in told}
    assert clauses["Учёт уровня занятости блоков"] == ("required", "3.4")
    assert clauses["Тепловая карта"] == ("outside the act", "—")
    differences = json.loads(region("diff", "samara", "primer", "--json").stdout)
    assert ("requirements", "workload", "state", "outside the act", "required") in {
        (one["seed"], one["key"], one["column"], one["first"], one["second"]) for one in differences
    }
    untouched = (REPOSITORY / "dbt_project/seeds/requirements.csv").read_text("utf-8")
    written = (project / "seeds/requirements.csv").read_text("utf-8")
    assert written.startswith(untouched)
    assert written.count("\nprimer,") == untouched.count("\nsamara,")


@pytest.mark.server
@pytest.mark.slow
def test_the_seeds_of_the_new_region_load_and_its_marts_carry_its_labels(
    project: Path, tmp_path: Path, dbt: Dbt, query: Query, dbt_folder: Path
) -> None:
    follow(tmp_path / "primer")
    seeds = [seed.name for seed in configuration.load_configuration().by_region()]
    shared = ["blocks", "body_kinds", "channels", "modules", "mart_modules"]
    dbt(
        "build",
        "--quiet",
        "--project-dir",
        str(project),
        "--target-path",
        str(tmp_path / "target"),
        # Of what dbt has read, only what was changed here is read again.
        "--partial-parse-file-path",
        str(dbt_folder / "target" / "partial_parse.msgpack"),
        "--select",
        *seeds,
        *shared,
        "int_region_clock",
        "int_regions",
        "int_region_modules",
        "dim_regions",
        "dim_region_modules",
        "--indirect-selection",
        "cautious",
        "--exclude-resource-type",
        "unit_test",
    )
    labels = dict(
        query(
            "select module_code, module_label from marts.dim_region_modules "
            "where region_code = 'primer'"
        )
    )
    assert (labels["workload"], labels["heatmap"]) == ("", "вне положения")
    assert query(
        "select region_name, recipients from marts.dim_regions where region_code = 'primer'"
    ) == [("Примерная область", "адресат не назван")]
