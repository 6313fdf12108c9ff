"""Marts of space and time worked out a second time, in plain Python, from the sandbox's own truth.

Written from DOMAIN.md 5.6, 5.9, 5.10, 5.15, 5.16 and 5.21, not from the SQL. What a case was
understood as (block, municipality, topic, object) is given, because understanding is not what is
compared here.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction
from itertools import combinations
from statistics import median
from typing import Any

from tests.reference.marts_reference import CHANNELS, CaseKey, Cycle, Query, Reference

Cell = tuple[str, str | None, str]  # region, municipality, block
Counts = dict[str, Any]
SECTORS = frozenset({"HEALTH", "EDU", "SOC", "HCS", "WASTE", "ROADS", "TRANSPORT", "ENERGY"})
PARTS = ("heat_index", "overdue_open", "reopen", "dissatisfaction", "growth")


@dataclass(frozen=True)
class Understood:
    """What the warehouse understood of a case."""

    block: str
    municipality: str | None
    topic: str | None
    object_kind: str | None
    object_key: str | None
    is_urgent: bool
    decided_by: str
    body: str | None
    body_kind: str | None
    regime: str | None
    topic_group: str | None


@dataclass(frozen=True)
class Counted:
    """One case as the marts of space count it."""

    key: CaseKey
    day: date
    what: Understood
    problem: tuple[Any, ...]
    applicant: str | None
    applicant_class: str
    state: str
    rating: int | None
    has_term: bool
    is_open: bool
    is_overdue: bool
    answered: int
    returned: int

    @property
    def region(self) -> str:
        return self.key[0]

    @property
    def week(self) -> date:
        return self.day - timedelta(days=self.day.weekday())

    @property
    def month(self) -> date:
        return self.day.replace(day=1)


def understood(query: Query) -> dict[CaseKey, Understood]:
    """Block, place, topic, object, body and regime of every case in the marts."""
    rows = query(
        "select region_code, source_code, native_id, block_code, municipality_code, topic_code,"
        " object_kind, object_key, is_fast_track_eligible, block_decided_by, body_code,"
        " body_kind_code, regime_code, topic_group from marts.fct_appeals where not is_deleted"
    )
    return {(region, source, number): Understood(*what) for region, source, number, *what in rows}


def _letters(text: str | None) -> str | None:
    letters = "".join(filter(str.isalnum, (text or "").lower()))
    return letters if len(letters) >= 40 else None


class Space:
    """Counts of cases by place and time, as of one moment."""

    def __init__(
        self,
        reference: Reference,
        what: Mapping[CaseKey, Understood],
        applicants: Mapping[CaseKey, str | None],
        populations: Iterable[Mapping[str, Any]],
    ) -> None:
        self.reference = reference
        self.as_of = reference.as_of
        self.applicants = applicants
        cycles: dict[CaseKey, list[Cycle]] = defaultdict(list)
        for cycle in reference.cycles:
            cycles[cycle.key].append(cycle)
        self.cycles = cycles
        self.cases = [
            self._counted(key, case, what[key])
            for key, case in reference.cases.items()
            if datetime.fromisoformat(case["received_at"]) <= self.as_of
        ]
        newest: dict[tuple[str, str], tuple[int, int]] = {}
        for row in populations:
            place = (row["region_code"], row["municipality_code"])
            newest[place] = max(newest.get(place, (0, 0)), (row["year"], row["population"]))
        self.population = {place: people for place, (_, people) in newest.items()}

    def local(self, region: str, moment: datetime) -> datetime:
        return moment.astimezone(self.reference.zones[region])

    def _counted(self, key: CaseKey, case: Mapping[str, Any], what: Understood) -> Counted:
        cycles = sorted(self.cycles[key], key=lambda cycle: cycle.number)
        letters = _letters(case["text"])
        place = (key[0], what.municipality, what.block)
        problem: tuple[Any, ...] = (*place, "case", key)
        if what.object_kind in ("house", "point") and what.topic:
            problem = (*place, what.topic, what.object_kind, what.object_key)
        elif letters is not None:
            problem = (*place, "text", letters)
        answered = [c for c in cycles if not c.is_excluded and c.closed is not None]
        returned = [c for c in answered if any(later.number > c.number for later in cycles)]
        is_open = any(not c.is_excluded and c.closed is None for c in cycles)
        state = "open" if is_open else "answered"
        if cycles[-1].is_excluded:
            state = case["outcome"]
        is_post = case["kind"] in ("post", "comment")
        applicant = self.applicants[key]
        return Counted(
            key=key,
            day=self.local(key[0], datetime.fromisoformat(case["received_at"])).date(),
            what=what,
            problem=problem,
            applicant=applicant,
            applicant_class="unknown"
            if applicant is None
            else ("account" if is_post else "identified"),
            state=state,
            rating=case["rating"],
            has_term=any(c.status != "undefined" for c in cycles),
            is_open=is_open,
            is_overdue=any(c.status == "overdue_open" for c in cycles),
            answered=len(answered),
            returned=len(returned),
        )

    def tally(self, cases: Iterable[Counted]) -> Counts:
        """The sums of a cell."""
        found = list(cases)
        term = [case for case in found if case.has_term]
        answered = sum(case.answered for case in found)
        rated = [case.rating for case in found if case.rating is not None]
        return {
            "problems": len({case.problem for case in found}),
            "cases": len(found),
            "people": len({case.applicant for case in found} - {None}),
            "open_cases": sum(case.is_open for case in found),
            "overdue_open": sum(case.is_overdue for case in found),
            "overdue_open_share": _share(sum(case.is_overdue for case in found), len(term)),
            "reopen_share": _share(sum(case.returned for case in found), answered),
            "severity_share": _share(sum(case.what.is_urgent for case in found), len(found)),
            "rated": len(rated),
            "satisfaction_share": _share(sum(one >= 4 for one in rated), len(rated))
            if len(rated) >= 10
            else None,
        }

    def cells(self, period: str) -> dict[tuple[Cell, date], list[Counted]]:
        """Cases by cell and week or month."""
        found: dict[tuple[Cell, date], list[Counted]] = defaultdict(list)
        for case in self.cases:
            cell = (case.region, case.what.municipality, case.what.block)
            found[cell, getattr(case, period)].append(case)
        return dict(found)

    def indices(self, period: str) -> dict[tuple[Cell, date], Fraction]:
        """DOMAIN 5.6: (O + 5) / (E + 5) of every cell of a block that the region had."""
        problems = {
            cell: len({case.problem for case in cases})
            for cell, cases in self.cells(period).items()
        }
        totals: Counter[tuple[str, str, date]] = Counter()
        had = set()
        for ((region, place, block), start), number in problems.items():
            had.add((region, block, start))
            if place is not None and (region, place) in self.population:
                totals[region, block, start] += number
        everybody: Counter[str] = Counter()
        for (region, _), people in self.population.items():
            everybody[region] += people
        found = {}
        for region, block, start in had:
            for (where, place), people in self.population.items():
                if where != region:
                    continue
                observed = problems.get(((region, place, block), start), 0)
                expected = Fraction(people, everybody[region]) * totals[region, block, start]
                found[(region, place, block), start] = (observed + 5) / (expected + 5)
        return found

    def regional_problems(self) -> dict[Cell, Counts]:
        """C 14: two hot weeks of the last four finished, or a fifth overdue with five problems."""
        indices = self.indices("week")
        found: dict[Cell, Counts] = {}
        by_cell: dict[Cell, list[Counted]] = defaultdict(list)
        for case in self.cases:
            by_cell[case.region, case.what.municipality, case.what.block].append(case)
        for cell in {cell for cell, _ in indices} | set(by_cell):
            region, place, _ = cell
            if place is None:
                continue
            today = self.local(region, self.as_of).date()
            monday = today - timedelta(days=today.weekday())
            weeks = [monday - timedelta(days=7 * back) for back in range(1, 5)]
            hot = sum(indices.get((cell, week), 0) >= Fraction(5, 4) for week in weeks)
            counts = self.tally(case for case in by_cell[cell] if case.week in weeks)
            share = counts["overdue_open_share"]
            is_overdue = share is not None and share > Fraction(1, 5) and counts["problems"] >= 5
            if hot >= 2 or is_overdue:
                found[cell] = {**counts, "hot_weeks": hot, "is_by_overdue": is_overdue}
        return found

    def overview(self) -> dict[tuple[Cell, date], Counts]:
        """DOMAIN 5.16 without repeats and causes, which have references of their own."""
        months = self.cells("month")
        indices = self.indices("month")
        first = {
            region: min(m for (c, m) in months if c[0] == region) for (region, _, _), _ in months
        }
        found = {}
        for (cell, month), cases in months.items():
            before = [_months_before(month, back) for back in (1, 2, 3)]
            mean = Fraction(sum(len(months.get((cell, one), ())) for one in before), 3)
            following = _months_before(month, -1)
            zone = self.reference.zones[cell[0]]
            is_over = datetime(following.year, following.month, 1, tzinfo=zone) <= self.as_of
            growth = None
            if is_over and before[-1] >= first[cell[0]] and mean:
                growth = len(cases) / mean - 1
            found[cell, month] = {
                **self.tally(cases),
                "growth_share": growth,
                "heat_index": indices.get((cell, month)),
            }
        return found

    def priorities(self) -> dict[tuple[Cell, date], Fraction | None]:
        """DOMAIN 5.15 with equal weights: 100 times the mean percent rank of the known parts."""
        groups: dict[tuple[str, date], dict[Cell, dict[str, Any]]] = defaultdict(dict)
        for (cell, month), counts in self.overview().items():
            if cell[1] is None or cell[2] not in SECTORS:
                continue
            satisfied = _rounded(counts["satisfaction_share"])
            # Ranks compare what is published: four digits.
            groups[cell[0], month][cell] = {
                "heat_index": _rounded(counts["heat_index"]),
                "overdue_open": _rounded(counts["overdue_open_share"]),
                "reopen": _rounded(counts["reopen_share"]),
                "dissatisfaction": None if satisfied is None else 1 - satisfied,
                "growth": _rounded(counts["growth_share"]),
            }
        found: dict[tuple[Cell, date], Fraction | None] = {}
        for (_, month), members in groups.items():
            for cell, values in members.items():
                ranks = []
                for part in PARTS:
                    if values[part] is None:
                        continue
                    others = [one[part] for one in members.values() if one[part] is not None]
                    below = sum(other < values[part] for other in others)
                    ranks.append(
                        Fraction(below, len(others) - 1) if len(others) > 1 else Fraction(0)
                    )
                found[cell, month] = 100 * sum(ranks, Fraction(0)) / len(ranks) if ranks else None
        return found

    def coverage(self) -> dict[tuple[str, str, date], Counter[str]]:
        """DOMAIN 5.21 by region, source and month."""
        found: dict[tuple[str, str, date], Counter[str]] = defaultdict(Counter)
        deciders = {"topic": "decided_by_source", "category": "decided_by_source"}
        deciders |= {"model": "decided_by_model", "operator": "decided_by_operator"}
        for case in self.cases:
            row = found[case.region, case.key[1], case.month]
            block = case.what.block
            row["cases"] += 1
            row["with_block" if block in SECTORS else block.lower()] += 1
            if case.what.decided_by in deciders:
                row[deciders[case.what.decided_by]] += 1
        return found

    def slices(self) -> dict[tuple[Any, ...], tuple[int, set[str]]]:
        """Cases and applicants of every slice of one or two dimensions, by day and month."""
        found: dict[tuple[Any, ...], tuple[list[int], set[str]]] = defaultdict(lambda: ([0], set()))
        for case in self.cases:
            what = case.what
            values = {
                "block_code": what.block,
                "topic_group": what.topic_group,
                "topic_code": what.topic,
                "body_code": what.body,
                "body_kind_code": what.body_kind,
                "municipality_code": what.municipality,
                "channel_code": CHANNELS[case.key[1]],
                "source_code": case.key[1],
                "regime_code": what.regime,
                "case_state_code": case.state,
                "applicant_class_code": case.applicant_class,
            }
            named = [(name, value or "-") for name, value in values.items()]
            pairs = [(("", ""), ("", "")), *((one, ("", "")) for one in named)]
            pairs += list(combinations(named, 2))
            for kind, start in (("day", case.day), ("month", case.month)):
                for first, second in pairs:
                    number, people = found[(kind, start, case.region, *first, *second)]
                    number[0] += 1
                    if case.applicant is not None:
                        people.add(case.applicant)
        return {key: (number[0], people) for key, (number, people) in found.items()}

    def flags(self) -> dict[tuple[CaseKey, str], date]:
        """Rules of DOMAIN 5.9 that a history alone decides: C1, C2 and E6, with the day."""
        found = {}
        for case in self.cases:
            events = sorted(
                (e for e in self.reference.events.get(case.key, []) if e["at"] <= self.as_of),
                key=lambda event: event["at"],
            )
            moved = [e["at"] for e in events if e["event"] == "transferred"]
            if len(moved) >= 3:
                found[case.key, "C1"] = moved[2]
            back = []
            for event in events:
                if event["event"] != "reopened":
                    continue
                ratings = [
                    e["rating"]
                    for e in events
                    if e["event"] == "rated" and e["cycle_no"] == event["cycle_no"] - 1
                ]
                if ratings and ratings[-1] <= 2:
                    back.append(event["at"])
            if len(back) >= 2:
                found[case.key, "C2"] = back[1]
            reopened = {e["cycle_no"] for e in events if e["event"] == "reopened"}
            again = [
                e["at"] for e in events if e["event"] == "transferred" and e["cycle_no"] in reopened
            ]
            if again:
                found[case.key, "E6"] = min(again)
        return {
            (key, rule): self.local(key[0], moment).date() for (key, rule), moment in found.items()
        }


@dataclass
class Signal:
    """An alert of one series (DOMAIN 5.10)."""

    opened: date
    closed: date | None = None
    is_critical: bool = False


def signals(
    counts: Mapping[date, int], missing: frozenset[date], first: date, last: date
) -> tuple[list[Signal], list[date]]:
    """Walks one series day by day: alerts, and the days of five or more that cannot be judged.

    counts: messages a day; missing: days on which the source told nothing; first and last: the days
    that the source covers.
    """
    found: list[Signal] = []
    suspended: list[date] = []
    lows = 0
    day = first
    while day <= last:
        messages = counts.get(day, 0)
        before = [day - timedelta(days=7 * back) for back in range(1, 9)]
        like = [counts.get(one, 0) for one in before if one >= first and one not in missing]
        if day in missing or len(like) < 4:
            if messages >= 5:
                suspended.append(day)
            day += timedelta(days=1)
            continue
        usual = median(like)
        deviation = median(abs(one - usual) for one in like)
        spread = max(1.4826 * deviation, math.sqrt(usual), 1)
        is_open = bool(found) and found[-1].closed is None
        if messages >= 5 and messages >= usual + 3 * spread:
            if not is_open:
                found.append(Signal(day))
            found[-1].is_critical |= messages >= usual + 6 * spread
        lows = lows + 1 if messages < usual + spread else 0
        if lows >= 2 and found and found[-1].closed is None:
            found[-1].closed = day
        day += timedelta(days=1)
    return found, suspended


def _share(part: int, whole: int) -> Fraction | None:
    return Fraction(part, whole) if whole else None


def _months_before(month: date, back: int) -> date:
    number = month.year * 12 + month.month - 1 - back
    return date(number // 12, number % 12 + 1, 1)


def _rounded(value: Fraction | None) -> Fraction | None:
    """Half up to four digits, as PostgreSQL rounds numeric."""
    if value is None:
        return None
    scaled = abs(value) * 10_000
    whole = math.floor(scaled + Fraction(1, 2))
    return Fraction(whole if value >= 0 else -whole, 10_000)


def compare(name: str, ours: Mapping[Any, Any], theirs: Mapping[Any, Any]) -> Iterator[str]:
    """One sentence for every key whose values differ."""
    for key in sorted(ours.keys() | theirs.keys(), key=str):
        if ours.get(key) != theirs.get(key):
            yield f"{name} {key}: warehouse {ours.get(key)}, reference {theirs.get(key)}"


def published(value: Fraction | None) -> float | None:
    """A number as the marts publish it: four digits."""
    rounded = _rounded(value)
    return None if rounded is None else float(rounded)
