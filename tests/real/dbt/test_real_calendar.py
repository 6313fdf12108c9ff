"""The production calendar of the seeds against the two calendars that others keep."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from xml.etree import ElementTree

import pytest

pytestmark = pytest.mark.real

SEED = Path(__file__).resolve().parents[3] / "dbt_project" / "seeds" / "production_calendar.csv"
YEARS = range(2018, 2028)
# Labour Code, article 112: the holidays themselves, as (month, day).
HOLIDAYS = [*((1, day) for day in range(1, 9)), (2, 23), (3, 8), (5, 1), (5, 9), (6, 12), (11, 4)]
KINDS_OF_XML = {"1": "day_off", "2": "short_day", "3": "working_weekend"}
KINDS_OF_JSON = {
    "holidays": "day_off",
    "preholidays": "short_day",
    "works": "working_weekend",
    "nowork": "epidemic_day",
}


def is_weekend(day: date) -> bool:
    return day.isoweekday() >= 6


def from_xml(folder: Path) -> Iterator[tuple[date, str]]:
    for path in sorted((folder / "reference" / "calendar_xml").glob("ru-*.xml")):
        root = ElementTree.parse(path).getroot()
        for day in root.iterfind("days/day"):
            month, number = day.attrib["d"].split(".")
            moment = date(int(root.attrib["year"]), int(month), int(number))
            yield moment, KINDS_OF_XML[day.attrib["t"]]


def from_json(folder: Path) -> Iterator[tuple[date, str]]:
    years = json.loads((folder / "reference" / "calendar_2013_2027.json").read_text())
    for year in YEARS:
        for key, kind in KINDS_OF_JSON.items():
            yield from ((date.fromisoformat(day), kind) for day in years[str(year)].get(key, []))


@pytest.fixture
def seed() -> dict[date, tuple[str, int]]:
    """Day → its kind and the number of sources."""
    with SEED.open(encoding="utf-8", newline="") as lines:
        return {
            date.fromisoformat(row["calendar_date"]): (row["day_kind"], int(row["source_count"]))
            for row in csv.DictReader(lines)
        }


def test_every_day_of_the_calendar_stands_in_the_sources_that_it_counts(
    real_data: Path, seed: dict[date, tuple[str, int]]
) -> None:
    xml, listed = dict(from_xml(real_data)), dict(from_json(real_data))
    # A shortened Saturday is a working day that the list has no other word for.
    saturdays = [day for day, kind in xml.items() if kind == "short_day" and is_weekend(day)]
    assert [f"{day:%d.%m.%Y}" for day in saturdays] == [
        "28.04.2018",
        "09.06.2018",
        "29.12.2018",
        "20.02.2021",
        "05.03.2022",
        "02.11.2024",
        "01.11.2025",
    ]
    expected: dict[date, tuple[str, int]] = {}
    for day in {*xml, *listed}:
        kinds = {source[day] for source in (xml, listed) if day in source}
        # On the days of the epidemic the two speak of the same day, and differ on what it is.
        kind = "epidemic_day" if "epidemic_day" in kinds else kinds.pop()
        expected[day] = (kind, (day in xml) + (day in listed))
    # A holiday at a weekend changes no plain week: one of the sources leaves them out, and both the
    # days of the epidemic at weekends.
    for day in [one for one in expected if is_weekend(one) and expected[one][0] == "day_off"]:
        if (day.month, day.day) not in HOLIDAYS:
            del expected[day]
    for year in YEARS:
        for month, number in HOLIDAYS:
            expected.setdefault(date(year, month, number), ("day_off", 1))
    assert seed == expected


def test_the_sources_differ_on_the_36_days_that_the_setting_decides(
    real_data: Path, seed: dict[date, tuple[str, int]]
) -> None:
    xml, listed = dict(from_xml(real_data)), dict(from_json(real_data))
    differing = {day for day in {*xml} & {*listed} if xml[day] != listed[day]}
    by_year = [len([day for day in differing if day.year == year]) for year in (2020, 2021)]
    assert by_year == [29, 7]
    assert differing == {day for day, (kind, _) in seed.items() if kind == "epidemic_day"}


def test_the_calendar_of_2027_says_that_it_has_one_source(
    real_data: Path, seed: dict[date, tuple[str, int]]
) -> None:
    assert max(day.year for day, _ in from_xml(real_data)) == 2026
    counts = {
        year: max(n for day, (_, n) in seed.items() if day.year == year) for year in (2026, 2027)
    }
    assert counts == {2026: 2, 2027: 1}
