"""The terms of ПОС messages by the platform's own configuration, worked out a second time.

Rules and calendar come from the seeds ``deadline_rules.csv`` and ``production_calendar.csv``
(DOMAIN.md 2.1); the arithmetic is the generator's own, so that a test can set it against the SQL.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from ingestion.sandbox.catalog import SEEDS


@dataclass(frozen=True)
class Rule:
    """One row of the rules: calendar days from the day of receipt or registration."""

    regime: str
    is_fast_track: bool | None
    days: int
    counts_first_day: bool
    rollover: str
    priority: int
    valid_from: date
    valid_to: date | None


class Terms:
    """Finds the rule of a day and counts the term."""

    def __init__(self, rules: list[Rule], day_kinds: dict[date, str]) -> None:
        self._rules = sorted(rules, key=lambda rule: -rule.priority)
        self._day_kinds = day_kinds

    def is_working(self, day: date) -> bool:
        """Weekdays but for days off; a shortened or a working Saturday is a working day."""
        kind = self._day_kinds.get(day)
        if kind in ("short_day", "working_weekend"):
            return True
        return kind is None and day.weekday() < 5

    def rule(self, *, regime: str, is_fast_track: bool, start: date) -> Rule:
        """The rule in force on the day on which the term began."""
        for rule in self._rules:
            if (
                rule.regime == regime
                and rule.is_fast_track in (None, is_fast_track)
                and rule.valid_from <= start
                and (rule.valid_to is None or start < rule.valid_to)
            ):
                return rule
        raise LookupError(f"deadline_rules.csv has no rule for {regime} on {start}")

    def nominal(self, rule: Rule, start: date) -> date:
        """The last day of the term as the calendar counts it: what a source plans."""
        return start + timedelta(days=rule.days - rule.counts_first_day)

    def due(self, rule: Rule, start: date) -> date:
        """The last day of the term moved off days without work, as the rule says."""
        day = self.nominal(rule, start)
        step = {"next": 1, "previous": -1}.get(rule.rollover, 0)
        while step and not self.is_working(day):
            day += timedelta(days=step)
        return day


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def load_terms(seeds: Path = SEEDS) -> Terms:
    """Reads the legal terms of the answer that hold for every region, in calendar days."""
    rules = [
        Rule(
            row["regime_code"],
            {"true": True, "false": False}.get(row["is_fast_track"]),
            int(row["duration"]),
            row["count_from"] == "day",
            row["rollover"],
            int(row["priority"]),
            date.fromisoformat(row["valid_from"]),
            date.fromisoformat(row["valid_to"]) if row["valid_to"] else None,
        )
        for row in _rows(seeds / "deadline_rules.csv")
        if row["region_code"] == "*"
        and row["unit"] == "calendar_day"
        and (row["reply_kind"], row["basis"], row["topic_code"]) == ("final", "legal", "")
    ]
    kinds = {
        date.fromisoformat(row["calendar_date"]): row["day_kind"]
        for row in _rows(seeds / "production_calendar.csv")
    }
    return Terms(rules, kinds)
