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


def test_a_wrong_moment_or_an_empty_token_is_explained(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["truth", "--output", str(tmp_path), "--as-of", "tomorrow"])
    assert result.exit_code == 2
    token = tmp_path / "token"
    token.write_text("\n", encoding="utf-8")
    result = CliRunner().invoke(app, ["serve", "--port", "0", "--token-file", str(token)])
    assert result.exit_code == 2
    assert "empty" in result.output
