"""Dates and times as sources write them, read into moments with an offset."""

from __future__ import annotations

import functools
from datetime import UTC, datetime, time
from typing import NamedTuple
from zoneinfo import ZoneInfo

_EARLIEST_YEAR = 1990
_YEARS_AHEAD = 10
# The serial number of a day in workbooks: 1 is 1900-01-01, 60 a day that never was.
_FIRST_SERIAL, _LAST_SERIAL = 61, 2_958_466


class Moment(NamedTuple):
    """A moment, as ISO 8601 too, and whether the source told the time of day."""

    at: datetime
    written: str
    has_time: bool


class WithoutYear(ValueError):
    """A date that can be read but for its year, which nothing tells."""


def parse_moment(
    text: str,
    formats: tuple[str, ...],
    zone: ZoneInfo,
    end_of_day: bool = False,
    told_at: datetime | None = None,
) -> Moment | None:
    """A moment in the first format that fits; None if none does.

    Formats are those of strptime, `iso` (ISO 8601), `unix` (seconds), `unix_ms`, `excel` (the
    serial number of a day) and `natural`: Russian or English as people and pages write it
    («4 мар в 18:34», `24 Apr 2024`). A natural date without a year is the last such day up to
    `told_at`, when the delivery was made; WithoutYear where nobody told that.

    A text without an offset is local time of `zone`. In the hour that the clocks repeat in autumn
    the first of the two is meant; a time that spring skips counts with the offset before it.
    """
    for pattern in formats:
        try:
            moment, has_time = _read(text, pattern, zone, told_at)
        except WithoutYear:
            raise
        except (ValueError, OverflowError, OSError):
            continue
        if moment.tzinfo is None:
            if end_of_day and not has_time:
                moment = datetime.combine(moment.date(), time(23, 59, 59))
            moment = moment.replace(tzinfo=zone)
        return Moment(moment, moment.isoformat(), has_time)
    return None


def _read(
    text: str, pattern: str, zone: ZoneInfo, told_at: datetime | None
) -> tuple[datetime, bool]:
    if pattern in ("unix", "unix_ms"):
        seconds = float(text) / (1000 if pattern == "unix_ms" else 1)
        return datetime.fromtimestamp(seconds, UTC).astimezone(zone), True
    if pattern == "iso":
        return datetime.fromisoformat(text), len(text) > 10
    if pattern == "excel":
        return _from_serial(text)
    if pattern == "natural":
        return _from_words(text, zone, told_at)
    return datetime.strptime(text, pattern), "%H" in pattern or "%I" in pattern


def _from_serial(text: str) -> tuple[datetime, bool]:
    from openpyxl.utils.datetime import from_excel

    serial = float(text.replace(",", "."))
    if not _FIRST_SERIAL <= serial < _LAST_SERIAL:
        raise ValueError(f"{serial} is no day's number")
    return from_excel(serial), not serial.is_integer()


def _from_words(text: str, zone: ZoneInfo, told_at: datetime | None) -> tuple[datetime, bool]:
    if not any(letter.isalpha() for letter in text):
        raise ValueError("no words")
    moment = _natural(text, None)
    if moment is None:
        base = (told_at or datetime(2000, 12, 31, tzinfo=zone)).astimezone(zone)
        moment = _natural(text, base.replace(tzinfo=None))
        if moment is None:
            raise ValueError("no date")
        if told_at is None:
            raise WithoutYear(text)
    return moment, ":" in text


@functools.lru_cache(maxsize=8192)
def _natural(text: str, base: datetime | None) -> datetime | None:
    """A date in words. Without a base it has to be complete: «вчера» says nothing by itself."""
    import dateparser

    settings: dict[str, object] = {"DATE_ORDER": "DMY", "RETURN_AS_TIMEZONE_AWARE": False}
    if base is None:
        settings |= {"REQUIRE_PARTS": ["year", "month", "day"], "PARSERS": ["absolute-time"]}
    else:
        settings |= {"RELATIVE_BASE": base, "PREFER_DATES_FROM": "past"}
    return dateparser.parse(text, languages=["ru", "en"], settings=settings)


@functools.lru_cache(maxsize=256)
def _latest(observed_at: datetime) -> datetime:
    try:
        return observed_at.replace(year=observed_at.year + _YEARS_AHEAD)
    except ValueError:  # 29 February
        return observed_at.replace(year=observed_at.year + _YEARS_AHEAD, day=28)


def is_plausible(moment: datetime, observed_at: datetime) -> bool:
    """True within [1990-01-01, observed_at + 10 years]."""
    # Only next to the end it takes more than the year to tell: time zones and the day count too.
    ahead = moment.year - observed_at.year
    if abs(ahead - _YEARS_AHEAD) > 1:
        return moment.year >= _EARLIEST_YEAR and ahead < _YEARS_AHEAD
    return moment <= _latest(observed_at)
