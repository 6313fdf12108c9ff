"""Dates as sources write them: in their own zone, as serial numbers, in words, without a year."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from textwrap import dedent
from zoneinfo import ZoneInfo

import pytest

from ingestion.moments import WithoutYear, parse_moment
from ingestion.source import Source
from tests.ingestion.conftest import Platform

BOSTON = ZoneInfo("America/New_York")
MOSCOW = ZoneInfo("Europe/Moscow")
US = ("%m/%d/%Y %I:%M:%S %p",)


@pytest.mark.parametrize(
    ("text", "formats", "expected", "has_time"),
    [
        ("01/15/2015 04:12:40 AM", US, "2015-01-15T04:12:40-05:00", True),
        ("07/15/2015 12:00:00 PM", US, "2015-07-15T12:00:00-04:00", True),
        # 1:30 comes twice on 1 November 2015; the first is still summer time.
        ("11/01/2015 01:30:00 AM", US, "2015-11-01T01:30:00-04:00", True),
        ("2021-10-21T22:14:27+01:00", ("iso",), "2021-10-21T22:14:27+01:00", True),
        ("2021-10-21T22:14:27Z", ("iso",), "2021-10-21T22:14:27+00:00", True),
        ("2021-06-21", ("iso",), "2021-06-21T00:00:00-04:00", False),
        ("1553180396", ("unix",), "2019-03-21T10:59:56-04:00", True),
        ("21.06.2021", ("%d.%m.%Y %H:%M", "%d.%m.%Y"), "2021-06-21T00:00:00-04:00", False),
        # Day 45292 of the workbook's calendar is 1 January 2024; a quarter more is six o'clock.
        ("45292", ("excel",), "2024-01-01T00:00:00-05:00", False),
        ("45292,25", ("iso", "excel"), "2024-01-01T06:00:00-05:00", True),
    ],
)
def test_a_moment_is_read_in_the_source_s_own_zone(
    text: str, formats: tuple[str, ...], expected: str, has_time: bool
) -> None:
    parsed = parse_moment(text, formats, BOSTON)
    assert parsed is not None
    assert (parsed.written, parsed.has_time) == (expected, has_time)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("4 мар 2024 в 18:34", "2024-03-04T18:34:00+03:00"),
        ("24 Apr 2024", "2024-04-24T00:00:00+03:00"),
        ("31 декабря 2023 г., 12:01", "2023-12-31T12:01:00+03:00"),
        # Without a year it is the last such day before the export of 1 May 2024.
        ("4 мар в 18:34", "2024-03-04T18:34:00+03:00"),
        ("12 мая", "2023-05-12T00:00:00+03:00"),
        ("4 Mar at 6:34 pm", "2024-03-04T18:34:00+03:00"),
        ("вчера в 10:00", "2024-04-30T10:00:00+03:00"),
    ],
)
def test_dates_in_words_are_read_as_people_meant_them(text: str, expected: str) -> None:
    told_at = datetime(2024, 5, 1, 23, 59, tzinfo=MOSCOW)
    parsed = parse_moment(text, ("natural",), MOSCOW, told_at=told_at)
    assert parsed is not None
    assert parsed.written == expected


@pytest.mark.parametrize("text", ["4 мар в 18:34", "12 мая", "вчера в 10:00"])
def test_no_year_is_made_up_when_nobody_told_when_the_export_was_made(text: str) -> None:
    with pytest.raises(WithoutYear):
        parse_moment(text, ("natural",), MOSCOW)


@pytest.mark.parametrize("text", ["", "не указано", "45", "99999999", "13.13.2024"])
def test_what_is_no_date_fits_no_format(text: str) -> None:
    assert parse_moment(text, ("iso", "excel", "natural"), MOSCOW) is None


def test_a_record_with_such_a_date_lands_without_it_and_says_so(
    platform: Platform, make_source: Callable[..., Source], tmp_path: Path
) -> None:
    path = tmp_path / "saved.csv"
    path.write_text("id,when\n1,4 мар в 18:34\n2,24 Apr 2024\n", encoding="utf-8")
    lines = f"""
    kind: register
    deadline: none
    regions: [{{code: pskov, time_zone: Europe/Moscow, endpoint: "{path}"}}]
    entities:
      posts:
        table: saved_posts
        role: case
        kind: post
        key: id
        formats: [natural]
        record: {{received_at: when}}
    """
    (load,) = platform.ingest(make_source("saved", lines))
    assert (load.rows_landed, load.rows_quarantined) == (2, 0)
    first, second = platform.records("saved_posts")
    assert "received_at" not in first
    assert first["incomplete_dates"] == ["received_at"]
    assert second["received_at"] == "2024-04-24T00:00:00+03:00"
    (again,) = platform.ingest(make_source("saved", f"exported_on: 2024-05-01\n{dedent(lines)}"))
    assert (again.rows_landed, again.rows_unchanged) == (1, 1)
    latest = json.loads(
        platform.rows("select record::text from raw.saved_posts order by raw_id desc limit 1")[0][0]
    )
    assert datetime.fromisoformat(latest["received_at"]) == datetime(2024, 3, 4, 15, 34, tzinfo=UTC)
