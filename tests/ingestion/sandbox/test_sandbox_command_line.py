"""The command line of the sandbox."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from ingestion.sandbox.__main__ import app


def test_truth_writes_its_files_and_prints_the_totals(tmp_path: Path) -> None:
    result = CliRunner().invoke(
        app,
        [
            *("truth", "--output", str(tmp_path / "truth"), "--seed", "2", "--cases", "60"),
            *("--as-of", "2026-11-21T06:00:00+03:00"),
        ],
    )
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["cases"] > 30
    assert {path.name for path in (tmp_path / "truth").iterdir()} == {
        "cases.jsonl",
        "events.jsonl",
        "rosters.jsonl",
        "checked_replies.jsonl",
        "populations.jsonl",
        "counts.json",
    }


def test_exports_are_written_by_source_and_the_variables_that_read_them_printed(
    tmp_path: Path,
) -> None:
    world = ["--cases", "900", "--as-of", "2026-11-21T06:00:00+03:00"]
    result = CliRunner().invoke(
        app, ["files", "--output", str(tmp_path), "--region", "samara", *world]
    )
    assert result.exit_code == 0, result.output
    variables = dict(line.split("=") for line in result.stdout.splitlines())
    assert set(variables) == {"TSUR_INCIDENT_EXPORTS", "TSUR_EDMS_EXPORTS", "TSUR_VK_EXPORTS"}
    files = {name: sorted(Path(folder).rglob("*.*")) for name, folder in variables.items()}
    assert len(files["TSUR_INCIDENT_EXPORTS"]) == 4
    assert all(len(found) == 1 for name, found in files.items() if "INCIDENT" not in name)
    assert {path.parent.name for path in files["TSUR_EDMS_EXPORTS"]} == {"samara"}
    result = CliRunner().invoke(app, ["files", "--output", str(tmp_path), "--region", "mars"])
    assert result.exit_code == 2
    assert "mars" in result.output


def test_a_wrong_moment_or_an_empty_token_is_explained(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["truth", "--output", str(tmp_path), "--as-of", "tomorrow"])
    assert result.exit_code == 2
    token = tmp_path / "token"
    token.write_text("\n", encoding="utf-8")
    result = CliRunner().invoke(app, ["serve", "--port", "0", "--token-file", str(token)])
    assert result.exit_code == 2
    assert "empty" in result.output
