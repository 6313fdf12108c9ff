"""The truth files say what was made, no more and no less."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ingestion.sandbox.truth import write_truth
from ingestion.sandbox.world import World


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_files_and_counts_agree(world: World, tmp_path: Path) -> None:
    told = write_truth(world, tmp_path)
    cases = _lines(tmp_path / "cases.jsonl")
    assert len(cases) == len(world.cases)
    total = told["total"]
    assert total["bad"] == sum(case["is_bad"] for case in cases)
    assert total["duplicates"] == sum(
        case["duplicate_of"] is not None and not case["is_bad"] for case in cases
    )
    assert total["cases"] == total["facts"] + total["duplicates"]
    assert total["cases"] + total["not_cases"] + total["bad"] == len(cases)
    assert len(_lines(tmp_path / "rosters.jsonl")) == len(world.rosters)
    assert len(_lines(tmp_path / "checked_replies.jsonl")) == len(world.checked_replies)
    assert len(_lines(tmp_path / "populations.jsonl")) == len(world.populations)
    history = sum(region["pos"]["rows"]["history"] for region in told["regions"].values())
    assert len(_lines(tmp_path / "events.jsonl")) == history
    assert json.loads((tmp_path / "counts.json").read_text(encoding="utf-8")) == told


def test_times_carry_the_offset_of_the_region(world: World, tmp_path: Path) -> None:
    write_truth(world, tmp_path)
    offsets = {
        case["region_code"]: case["received_at"][-6:] for case in _lines(tmp_path / "cases.jsonl")
    }
    assert offsets == {
        "tambov": "+03:00",
        "pskov": "+03:00",
        "jewish_ao": "+10:00",
        "chelyabinsk": "+05:00",
        "samara": "+04:00",
    }
