"""`tsur` and `make` on homes that are wrong, strange or busy: a message, and nothing destroyed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from stack.cli import app
from stack.settings import REPOSITORY


def tsur(home: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("TSUR_")}
    return subprocess.run(
        [sys.executable, "-m", "stack", *arguments],
        env={**clean, "TSUR_HOME": str(home), "PYTHONPATH": str(REPOSITORY), **variables},
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )


def flat(text: str) -> str:
    return " ".join(text.split())


def test_make_clean_leaves_a_folder_alone_that_is_no_home_of_ours(tmp_path: Path) -> None:
    precious, environments = tmp_path / "precious", tmp_path / "environments"
    for folder in (precious, environments):
        folder.mkdir()
        (folder / "letter.txt").write_text("dear")
    subprocess.run(
        ["make", "clean"],
        env={
            **os.environ,
            "TSUR_HOME": str(precious),
            "TSUR_ENVIRONMENTS": str(environments),
        },
        cwd=REPOSITORY,
        check=True,
        capture_output=True,
    )
    assert (precious / "letter.txt").read_text() == "dear"
    assert (environments / "letter.txt").read_text() == "dear"


@pytest.mark.parametrize("command", [["status"], ["sql", "select 1"], ["down"], ["enrich"]])
def test_a_mistyped_home_is_named_and_not_made(tmp_path: Path, command: list[str]) -> None:
    result = tsur(tmp_path / "tipo", *command)
    assert result.returncode == 1
    assert "is no home of tsur yet" in flat(result.stderr)
    assert not (tmp_path / "tipo").exists()


def test_a_folder_without_the_layout_is_refused_before_anything_is_kept(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    result = tsur(tmp_path / "home", "demo-real", "--data", str(tmp_path / "data"))
    assert result.returncode != 0
    assert "missing: appeals/kursk_messages.csv" in flat(result.stderr).replace("│ │ ", "")
    assert not (tmp_path / "home").exists()


def test_a_home_of_the_sandbox_is_not_turned_into_one_of_real_files(
    tmp_path: Path, real_data: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    before = json.dumps({"as_of": {"*": "2026-11-21T06:00:00+03:00"}})
    (home / "home.json").write_text(before)
    result = tsur(home, "demo-real", "--data", str(real_data))
    assert result.returncode == 1
    assert "holds the sandbox" in flat(result.stderr)
    assert (home / "home.json").read_text() == before


def test_a_wrong_setting_is_named_by_its_variable(tmp_path: Path) -> None:
    result = tsur(tmp_path, "status", TSUR_PORT_BASE="99999")
    assert result.returncode == 1
    assert "TSUR_PORT_BASE" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("moment", "reason"),
    [("mars=2026-01-01T00:00:00+03:00", "no region 'mars'"), ("samara=yesterday", "no ISO moment")],
)
def test_a_wrong_moment_is_refused_with_the_reason(
    tmp_path: Path, moment: str, reason: str
) -> None:
    (tmp_path / "home.json").write_text("{}")
    result = tsur(tmp_path, "build", "--as-of", moment)
    assert result.returncode != 0
    assert reason in flat(result.stderr)


def test_every_command_shows_an_example_of_itself() -> None:
    groups = [app, *(group.typer_instance for group in app.registered_groups)]
    commands = [command for group in groups if group for command in group.registered_commands]
    assert len(commands) > 15
    for command in commands:
        assert command.callback is not None
        assert "Example: " in (command.callback.__doc__ or ""), command.callback.__name__
