"""What leaves a listing of open requests has left: finished, not deleted."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ingestion.source import Source
from tests.ingestion.conftest import Platform

MakeSource = Callable[..., Source]


def polls(make_source: MakeSource, folder: Path, code: str, holds: str) -> Source:
    folder.mkdir(exist_ok=True)
    return make_source(
        code,
        f"""
kind: open311
deadline: none
file_time: {{pattern: '(?P<time>\\d{{8}})', format: '%Y%m%d'}}
regions: [{{code: city, time_zone: Europe/Samara, endpoint: "{folder}"}}]
entities:
  requests:
    table: {code}
    role: case
    kind: request
    key: service_request_id
    listing: complete
    holds: {holds}
    record:
      received_at: requested_datetime
      is_closed: {{from: status, "true": [closed], "false": [open]}}
""",
    )


def put(folder: Path, day: str, *numbers: int) -> None:
    items = [
        {
            "service_request_id": number,
            "status": "open",
            "requested_datetime": "2026-01-01T10:00:00",
        }
        for number in numbers
    ]
    (folder / f"{day}.json").write_text(json.dumps(items), encoding="utf-8")


def latest(platform: Platform, table: str) -> dict[str, tuple[bool, Any, Any, Any]]:
    rows = platform.rows(
        "select distinct on (native_id) native_id, is_deleted, record ->> 'is_closed',"
        f" record ->> 'left_listing_at', record ->> 'closed_at' from raw.{table}"
        " order by native_id, raw_id desc"
    )
    return {row[0]: row[1:] for row in rows}


@pytest.mark.parametrize("code", ["left_polls"])
def test_what_leaves_open_requests_is_finished_at_an_unknown_time(
    platform: Platform, make_source: MakeSource, tmp_path: Path, code: str
) -> None:
    folder = tmp_path / "polls"
    source = polls(make_source, folder, code, "open_only")
    put(folder, "20260201", 1, 2)
    put(folder, "20260202", 2)
    put(folder, "20260203", 2)
    loads = platform.ingest(source)
    assert [one.rows_tombstoned for one in loads] == [0, 1, 0]
    assert all(one.is_balanced for one in loads)
    assert latest(platform, code) == {
        "1": (True, "true", "2026-02-01T20:00:00+00:00", None),
        "2": (False, "false", None, None),
    }
    # It comes back: open again, and no trace of having left in its latest version.
    put(folder, "20260204", 1, 2)
    platform.ingest(source)
    assert latest(platform, code)["1"] == (False, "false", None, None)


def test_what_vanishes_from_a_listing_of_everything_is_not_called_finished(
    platform: Platform, make_source: MakeSource, tmp_path: Path
) -> None:
    folder = tmp_path / "polls"
    source = polls(make_source, folder, "vanished_polls", "all")
    put(folder, "20260201", 1)
    put(folder, "20260202")
    platform.ingest(source)
    assert latest(platform, "vanished_polls") == {"1": (True, "false", None, None)}
