"""The marts about what comes again, worked out a second time in plain Python.

Written from DOMAIN.md 5.4, 5.5, 5.7 and 5.12-5.14 and from docs/decisions.md, not from the SQL.
Block, municipality and regime of a case are given, because understanding is not what is compared
here; topic, object, person and outcome come from the truth.
"""

from __future__ import annotations

import csv
import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

from tests.reference.deadlines_reference import Calendar
from tests.reference.marts_reference import (
    CHANNELS,
    PRIOR_WEIGHT,
    SEEDS,
    CaseKey,
    Cycle,
    Query,
    Reference,
    holds,
    wilson,
)

REPEAT = timedelta(days=90)
PROVISIONAL = timedelta(days=30)
MASS = timedelta(days=30)
ROOT = timedelta(days=180)
Row = dict[str, Any]


@dataclass
class Filed:
    """One case as filed by the report's moment. Times carry a zone."""

    key: CaseKey
    received: datetime
    day: date
    person: str | None
    is_public: bool
    topic: str | None
    block: str
    municipality: str | None
    regime: str
    body: str | None
    house: tuple[str, ...] | None
    place: tuple[float, float] | None
    letters: str | None
    text: str
    is_fast: bool
    is_solved: bool
    ratings: list[int]
    cycles: list[Cycle]
    answered: list[Cycle] = field(default_factory=list)

    @property
    def region(self) -> str:
        return self.key[0]

    @property
    def channel(self) -> str:
        return CHANNELS[self.key[1]]

    @property
    def object(self) -> tuple[Any, ...] | None:
        """A house, else a place: in the compared towns equal places are one, others are far."""
        if self.house is not None:
            return ("house", *self.house)
        return None if self.place is None else ("point", *self.place)


def _seed(name: str) -> list[dict[str, str]]:
    with (SEEDS / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _metres(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Great-circle distance."""
    (a, b), (c, d) = ((math.radians(x), math.radians(y)) for x, y in (one, other))
    half = math.sin((c - a) / 2) ** 2 + math.cos(a) * math.cos(c) * math.sin((d - b) / 2) ** 2
    return 2 * 6_371_000 * math.asin(math.sqrt(half))


def _month(day: date) -> date:
    return day.replace(day=1)


def _quarter(day: date) -> date:
    return day.replace(month=3 * ((day.month - 1) // 3) + 1, day=1)


def _part(row: Row, part: str, whole: str) -> float | None:
    return _share(row["counts"][part], row["counts"][whole])


def _share(amount: float, n: float) -> float | None:
    return amount / n if n else None


class Recurrence:
    """Reads the truth through `Reference` and computes the marts by their keys.

    `near`: pairs of texts that a model found alike by 0.8 or more.
    """

    def __init__(self, reference: Reference, near: frozenset[frozenset[str]] = frozenset()) -> None:
        self.reference = reference
        self.near = near
        self.as_of = reference.as_of
        self.topics = {
            (r["source_code"], r["label"]): r["topic_code"]
            for r in _seed("topic_catalog")
            if r["label_kind"] == "topic"
        }
        self.fast_topics = {r["topic_code"] for r in _seed("fast_track_topics")}
        self.calendar = Calendar()
        self.fast_rules = [
            r
            for r in _seed("deadline_rules")
            if (r["is_fast_track"], r["is_active"], r["reply_kind"], r["basis"])
            == ("true", "true", "final", "legal")
        ]
        solved = {r["resolution_code"] for r in _seed("resolutions") if r["is_solved"] == "true"}
        self.solved_labels = {
            (r["source_code"], r["label"])
            for r in _seed("resolution_labels")
            if r["resolution_code"] in solved
        }
        cycles: dict[CaseKey, list[Cycle]] = defaultdict(list)
        for cycle in reference.cycles:
            cycles[cycle.key].append(cycle)
        self.filed = [
            self._filed(case, cycles[key])
            for key, case in reference.cases.items()
            if any(not cycle.is_excluded for cycle in cycles[key])
        ]
        self.copies = self._copies()

    def _local(self, region: str, moment: datetime) -> datetime:
        return moment.astimezone(self.reference.zones[region]).replace(tzinfo=None)

    def _filed(self, case: Mapping[str, Any], cycles: list[Cycle]) -> Filed:
        key = (case["region_code"], case["source_code"], case["native_id"])
        block, municipality, regime = self.reference.attributes[key]
        is_public = case["kind"] in ("post", "comment")
        house = None
        if case["address"] is not None:
            parts = (municipality, case["settlement"], case["street"], case["house"])
            house = tuple(str(part).lower().replace("ё", "е") for part in parts)
        has_place = key[1] == "pos" and case["latitude"] is not None
        letters = "".join(filter(str.isalnum, case["text"].lower()))
        received = datetime.fromisoformat(case["received_at"])
        events = sorted(self.reference.events.get(key, []), key=lambda event: event["at"])
        said = case["resolution"]
        answered = [c for c in cycles if c.closed is not None and not c.is_excluded]
        return Filed(
            key=key,
            received=received,
            day=self._local(key[0], received).date(),
            person=case["applicant_id"] and f"{is_public}|{case['applicant_id']}",
            is_public=is_public,
            topic=self.topics.get((key[1], case["topic"])),
            block=block,
            municipality=municipality,
            regime=regime or "",
            body=None if is_public else case["body_code"],
            house=house,
            place=(case["latitude"], case["longitude"]) if has_place else None,
            letters=letters if len(letters) >= 40 else None,
            text=case["text"],
            is_fast=case["is_fast_track"],
            is_solved=bool(answered) and bool({("*", said), (key[1], said)} & self.solved_labels),
            ratings=[e["rating"] for e in events if e["event"] == "rated"],
            cycles=sorted(cycles, key=lambda cycle: cycle.number),
            answered=sorted(answered, key=lambda cycle: cycle.number),
        )

    def _returned(self, case: Filed, cycle: Cycle) -> bool:
        return any(later.number > cycle.number for later in case.cycles)

    # -- 5.4 ------------------------------------------------------------------------------------

    def _copies(self) -> dict[CaseKey, CaseKey]:
        """The same text of the same person before any of its cases was answered: a duplicate."""
        found: dict[CaseKey, CaseKey] = {}
        by_text: dict[tuple[Any, ...], list[Filed]] = defaultdict(list)
        for case in self.filed:
            if case.person and case.letters:
                by_text[case.region, case.person, case.letters].append(case)
        for cases in by_text.values():
            cases.sort(key=lambda case: case.received)
            answers = [answer for case in cases if (answer := self._first_answer(case))]
            for number, later in enumerate(cases):
                for earlier in cases[:number]:
                    if not any(earlier.received <= end < later.received for end in answers):
                        found.setdefault(later.key, earlier.key)
                        break
        return found

    @staticmethod
    def _first_answer(case: Filed) -> datetime | None:
        return case.answered[0].closed if case.answered else None

    def _evidence(self, one: Filed, other: Filed) -> str | None:
        if one.is_public != other.is_public:
            return "cross_channel" if one.house and one.house == other.house else None
        if not one.person or one.person != other.person:
            return None
        if one.house and other.house:
            return "house" if one.house == other.house else None
        if one.place and other.place:
            return "point" if _metres(one.place, other.place) <= 200 else None
        if one.municipality is None or one.municipality != other.municipality:
            return None
        return self._likeness(one, other)

    def _likeness(self, one: Filed, other: Filed) -> str | None:
        if one.letters is not None and one.letters == other.letters:
            return "equal_text"
        return "similar_text" if frozenset((one.text, other.text)) in self.near else None

    def repeats(self) -> dict[CaseKey, tuple[Filed, str, int]]:
        """Answered case to the first new one about the same, the evidence, the replies before."""
        groups: dict[tuple[str, str], list[Filed]] = defaultdict(list)
        for case in self.filed:
            if case.topic and case.key not in self.copies:
                groups[case.region, case.topic].append(case)
        found: dict[CaseKey, tuple[Filed, str, int]] = {}
        for cases in groups.values():
            cases.sort(key=lambda case: case.received)
            for case in cases:
                answer = self._first_answer(case)
                if answer is None:
                    continue
                due = case.cycles[0].due
                since = max(min(answer, due) if due else answer, case.received)
                for later in cases:
                    evidence = self._evidence(case, later)
                    if evidence and since < later.received <= answer + REPEAT:
                        found[case.key] = (later, evidence, self._replies(cases, later))
                        break
        return found

    def _replies(self, cases: Iterable[Filed], new: Filed) -> int:
        """Replies that the person had had about exactly this object."""
        return sum(
            cycle.closed <= new.received
            for case in cases
            if new.person and case.person == new.person and self._is_of_one_object(case, new)
            for cycle in case.answered
            if cycle.closed is not None
        )

    def _is_of_one_object(self, case: Filed, new: Filed) -> bool:
        """Where only the municipality is known, equal and near texts are about one thing."""
        if new.object is not None or case.object is not None:
            return case.object == new.object
        if new.municipality is None or case.municipality != new.municipality:
            return False
        return case is new or self._likeness(case, new) is not None

    def repeat_appeals(self) -> dict[tuple[Any, ...], Row]:
        rows: dict[tuple[Any, ...], Row] = defaultdict(
            lambda: {"counts": Counter(), "returned": set(), "repeated": set(), "by": set()}
        )
        repeats = self.repeats()
        copies = Counter(self.copies.values())
        for case in self.filed:
            for cycle in case.answered:
                row = rows[self._where(case, cycle)]
                row["counts"]["answered_cycles"] += 1
                if self._returned(case, cycle):
                    row["counts"]["returned_cycles"] += 1
                    row["returned"].add(case.key)
            if not case.answered or case.key in self.copies:
                continue
            answer = self._first_answer(case)
            assert answer is not None
            row = rows[self._where(case, case.answered[0])]
            counts = row["counts"]
            counts["answered_cases"] += 1
            counts["same_text_copies"] += copies[case.key]
            if not case.person or not case.topic:
                counts["unmatchable_cases"] += 1
                continue
            repeat = repeats.get(case.key)
            if answer <= self.as_of - PROVISIONAL:
                counts["observed_30d_cases"] += 1
                if repeat and repeat[0].received <= answer + PROVISIONAL:
                    counts["repeated_30d_cases"] += 1
            if answer > self.as_of - REPEAT:
                continue
            counts["observed_cases"] += 1
            if repeat:
                counts["repeated_cases"] += 1
                counts[f"repeated_by_{repeat[1]}"] += 1
                counts["repeatedly_answered_cases"] += repeat[2] >= 2
                row["repeated"].add(case.key)
                row["by"].add(repeat[0].key)
        return {
            key: {
                **row["counts"],
                "reopen_share": _part(row, "returned_cycles", "answered_cycles"),
                "repeat_share": _part(row, "repeated_cases", "observed_cases"),
                "repeat_share_30d": _part(row, "repeated_30d_cases", "observed_30d_cases"),
                "returned_case_ids": row["returned"],
                "repeated_case_ids": row["repeated"],
                "repeating_case_ids": row["by"],
            }
            for key, row in rows.items()
        }

    def overview_repeats(self) -> dict[tuple[Any, ...], Row]:
        """The repeat rate of the overview: the same answers by the month of receipt."""
        rows: dict[tuple[Any, ...], Row] = defaultdict(lambda: {"counts": Counter()})
        repeats = self.repeats()
        for case in self.filed:
            answer = self._first_answer(case)
            if answer is None or answer > self.as_of - REPEAT or case.key in self.copies:
                continue
            if case.person and case.topic:
                key = (_month(case.day), case.region, case.block, case.municipality)
                rows[key]["counts"]["ripe_answers"] += 1
                rows[key]["counts"]["repeated_answers"] += case.key in repeats
        return {
            key: {
                **row["counts"],
                "repeat_share": _part(row, "repeated_answers", "ripe_answers"),
            }
            for key, row in rows.items()
        }

    def _where(self, case: Filed, cycle: Cycle) -> tuple[Any, ...]:
        assert cycle.closed is not None
        month = _month(self._local(case.region, cycle.closed).date())
        body = cycle.body
        return (month, case.region, case.block, body, case.municipality, case.channel)

    # -- 5.12 -----------------------------------------------------------------------------------

    def mass_problems(self) -> dict[tuple[Any, ...], Row]:
        """By region, topic and one of its cases."""
        groups: dict[tuple[Any, ...], list[Filed]] = defaultdict(list)
        for case in self.filed:
            if case.topic and case.object:
                groups[case.region, case.topic, case.object].append(case)
        rows: dict[tuple[Any, ...], Row] = {}
        for (region, topic, _), cases in groups.items():
            cases.sort(key=lambda case: case.received)
            members: set[int] = set()
            for last in range(len(cases)):
                end = cases[last].received
                window = [n for n, case in enumerate(cases) if end - MASS <= case.received <= end]
                if len({cases[n].person for n in window if cases[n].person}) >= 5:
                    members.update(window)
            problem: list[Filed] = []
            for n in [*sorted(members), None]:
                if problem and (n is None or cases[n].received - problem[-1].received > MASS):
                    first = min(case.key for case in problem)
                    rows[region, topic, first] = {
                        "cases": len(problem),
                        "people": len({case.person for case in problem if case.person}),
                        "open_cases": sum(self._is_open(case) for case in problem),
                        "answered_cases": sum(bool(case.answered) for case in problem),
                        "sources": len({case.key[1] for case in problem}),
                        "case_ids": {case.key for case in problem},
                    }
                    problem = []
                if n is not None:
                    problem.append(cases[n])
        return rows

    @staticmethod
    def _is_open(case: Filed) -> bool:
        last = case.cycles[-1]
        return last.closed is None and not last.is_excluded

    # -- 5.13 -----------------------------------------------------------------------------------

    def root_causes(self) -> dict[tuple[Any, ...], Row]:
        """By month, region, topic, body and one of its cases."""
        groups: dict[tuple[Any, ...], list[Filed]] = defaultdict(list)
        for case in self.filed:
            if case.topic and case.object and case.body:
                groups[case.region, case.topic, case.body, case.object].append(case)
        rows: dict[tuple[Any, ...], Row] = {}
        for (region, topic, body, _), cases in groups.items():
            now = self._local(region, self.as_of)
            cases.sort(key=lambda case: case.received)
            month = _month(self._local(region, cases[0].received).date())
            while month <= now.date():
                following = _month(month + timedelta(days=31))
                last = datetime(following.year, following.month, 1) - timedelta(microseconds=1)
                end = min(last, now)
                row = self._window(region, cases, end)
                if row is not None:
                    first = min(row["case_ids"])
                    rows[month, region, topic, body, first] = {**row, "is_current": end == now}
                month = following
        return rows

    def _window(self, region: str, cases: list[Filed], end: datetime) -> Row | None:
        start = end - ROOT
        solved = [
            at
            for case in cases
            if case.is_solved and start < (at := self._last_answer(region, case)) <= end
        ]
        inside = [c for c in cases if start < self._local(region, c.received) <= end]
        if not solved or len(inside) < 3:
            return None
        after = sum(self._local(region, case.received) > min(solved) for case in inside)
        if not after:
            return None
        answered = 0
        for case in inside:
            first = self._first_answer(case)
            answered += first is not None and self._local(region, first) <= end
        return {
            "cases": len(inside),
            "people": len({case.person for case in inside if case.person}),
            "answered_cases": answered,
            "cases_after_solved": after,
            "recurrence_ratio": _share(after, answered),
            "case_ids": {case.key for case in inside},
        }

    def _last_answer(self, region: str, case: Filed) -> datetime:
        last = case.answered[-1].closed
        assert last is not None
        return self._local(region, last)

    # -- 5.5 ------------------------------------------------------------------------------------

    def satisfaction(self) -> dict[tuple[Any, ...], Row]:
        asking = {c.key[:2] for c in self.filed if c.answered and c.ratings}
        groups: dict[tuple[Any, ...], list[Filed]] = defaultdict(list)
        blocks: dict[tuple[Any, ...], Counter[str]] = defaultdict(Counter)
        for case in self.filed:
            if not case.answered:
                continue
            last = case.answered[-1]
            assert last.closed is not None
            day = self._local(case.region, last.closed).date()
            for period in (("month", _month(day)), ("quarter", _quarter(day))):
                for cut in (
                    ("region", None, None, None, None),
                    ("block", case.block, None, None, None),
                    ("body", None, last.body, None, None),
                    ("municipality", None, None, case.municipality, None),
                    ("channel", None, None, None, case.channel),
                    ("block_municipality", case.block, None, case.municipality, None),
                ):
                    groups[(*period, case.region, *cut)].append(case)
                if last.body:
                    blocks[(*period, case.region, last.body)][case.block] += 1
        kinds = self.reference.kinds
        peers: dict[tuple[Any, ...], list[tuple[Any, ...]]] = defaultdict(list)
        for key in groups:
            if key[3] == "body":
                peers[self._peers(key, kinds, blocks)].append(key)
        rows: dict[tuple[Any, ...], Row] = {}
        for key, cases in groups.items():
            last_ratings = [case.ratings[-1] for case in cases if case.ratings]
            asked = sum(case.key[:2] in asking for case in cases)
            good = sum(rating >= 4 for rating in last_ratings)
            n = len(last_ratings)
            row: Row = {
                "answered_cases": asked,
                "not_asked_cases": len(cases) - asked,
                "rated_cases": n,
                "response_share": _share(n, asked),
                "case_ids": {case.key for case in cases if case.ratings},
            }
            if n >= 10:
                cases_of = groups[(*key[:3], "region", None, None, None, None)]
                if key[3] == "body":
                    near = peers[self._peers(key, kinds, blocks)]
                    rated = [k for k in near if any(case.ratings for case in groups[k])]
                    if len(rated) > 1:
                        cases_of = [case for k in near for case in groups[k]]
                pool = [case.ratings[-1] for case in cases_of if case.ratings]
                prior = sum(rating >= 4 for rating in pool) / len(pool)
                row |= {
                    "satisfied_cases": good,
                    "csat_share": good / n,
                    "csat_shrunk_share": (good + PRIOR_WEIGHT * prior) / (n + PRIOR_WEIGHT),
                    "peer_share": prior,
                    "mean_rating": sum(last_ratings) / n,
                    "mean_first_rating": sum(c.ratings[0] for c in cases if c.ratings) / n,
                }
            rows[key] = row
        return rows

    @staticmethod
    def _peers(
        key: tuple[Any, ...],
        kinds: Mapping[str, str],
        blocks: Mapping[tuple[Any, ...], Counter[str]],
    ) -> tuple[Any, ...]:
        """Same kind of body and main block; those without a body are each other's."""
        body = key[5]
        if body is None:
            return (*key[:3], None, None)
        votes = blocks[(*key[:3], body)]
        main = min(votes, key=lambda block: (-votes[block], block))
        return (*key[:3], kinds[body], main)

    # -- 5.7 ------------------------------------------------------------------------------------

    def _fast_norm(self, case: Filed) -> dict[str, str] | None:
        """The fast norm in force on the day on which the case was filed."""
        return next(
            (r for r in self.fast_rules if r["regime_code"] == case.regime and holds(r, case.day)),
            None,
        )

    def _fast_due(self, case: Filed, cycle: Cycle, norm: Mapping[str, str]) -> datetime:
        """The end of the last day of a handling by that norm, whenever the handling began."""
        assert (norm["unit"], norm["start_event"]) == ("calendar_day", "received")
        days = int(norm["duration"]) - (norm["count_from"] == "day")
        start = self._local(case.region, cycle.opened).date()
        last = self.calendar.rolled(start + timedelta(days), norm["rollover"])
        end = datetime.combine(last, time(23, 59, 59, 999999))
        return end.replace(tzinfo=self.reference.zones[case.region])

    def fast_track(self) -> dict[tuple[Any, ...], Row]:
        rows: dict[tuple[Any, ...], Row] = defaultdict(
            lambda: {"counts": Counter(), "missed": set(), "late": set()}
        )
        for case in self.filed:
            norm = self._fast_norm(case)
            has_norm = norm is not None
            is_eligible = has_norm and case.topic in self.fast_topics
            at = (case.region, case.block)
            row = rows[(_month(case.day), *at, case.body, case.municipality, case.channel)]
            counts = row["counts"]
            counts["filed_cases"] += 1
            counts["fast_track_cases"] += case.is_fast
            counts["eligible_cases"] += is_eligible
            counts["without_norm_cases"] += not has_norm
            if is_eligible and not case.is_fast:
                counts["missed_cases"] += 1
                row["missed"].add(case.key)
            if not case.is_fast or norm is None:
                continue
            for cycle in case.cycles:
                if cycle.is_excluded or cycle.due is None:
                    continue
                due = self._fast_due(case, cycle, norm)
                if due > self.as_of:
                    continue
                month = _month(self._local(case.region, due).date())
                row = rows[(month, *at, cycle.body, case.municipality, case.channel)]
                row["counts"]["due_cycles"] += 1
                late = "overdue_open" if cycle.closed is None else "late"
                is_kept = cycle.closed is not None and cycle.closed <= due
                row["counts"]["on_time" if is_kept else late] += 1
                if not is_kept:
                    row["late"].add(case.key)
        return {
            key: {
                **row["counts"],
                "coverage_share": _part(row, "fast_track_cases", "filed_cases"),
                "missed_share": _part(row, "missed_cases", "eligible_cases"),
                "compliance_share": _part(row, "on_time", "due_cycles"),
                "missed_case_ids": row["missed"],
                "late_case_ids": row["late"],
            }
            for key, row in rows.items()
        }

    # -- 5.14 -----------------------------------------------------------------------------------

    def best_practices(self) -> dict[tuple[Any, ...], Row]:
        answers: dict[tuple[Any, ...], list[tuple[Filed, Cycle]]] = defaultdict(list)
        due: dict[tuple[Any, ...], list[tuple[Filed, Cycle]]] = defaultdict(list)
        rated = {r["region_code"] for r in _seed("rating_dimensions")}
        for case in self.filed:
            for cycle in case.cycles:
                is_rated = not cycle.is_excluded and cycle.body and case.region in rated
                if not is_rated or not case.topic or cycle.due is None:
                    continue
                where = (case.region, case.topic, cycle.body)
                if cycle.closed is not None:
                    day = self._local(case.region, cycle.closed).date()
                    answers[_quarter(day), *where].append((case, cycle))
                if cycle.due <= self.as_of and cycle.status != "open":
                    day = self._local(case.region, cycle.due).date()
                    due[_quarter(day), *where].append((case, cycle))
        found = {
            key: self._practice(answers.get(key, []), due.get(key, []))
            for key in answers.keys() | due.keys()
        }
        rows: dict[tuple[Any, ...], Row] = {}
        for key, own in found.items():
            if own["answered_cycles"] < 30 or own["ratio_p50"] is None:
                continue
            others = [k for k in found if k[:3] == key[:3] and k != key]
            kind = self.reference.kinds[key[3]]
            near = [k for k in others if self.reference.kinds[k[3]] == kind]
            if not any(found[k]["ratios"] for k in near):
                near = others
            peers = [found[k] for k in near]
            ratios = sum(p["ratios"] for p in peers)
            row = {**own, "peer_bodies": len(peers), "is_best_practice": False}
            row["peer_ratio_p50"] = _share(
                sum(p["ratios"] * p["ratio_p50"] for p in peers if p["ratios"]), ratios
            )
            row["peer_compliance_share"] = _share(
                sum(p["on_time"] for p in peers), sum(p["due_cycles"] for p in peers)
            )
            row["peer_reopen_share"] = _share(
                sum(p["returned_cycles"] for p in peers), sum(p["answered_cycles"] for p in peers)
            )
            # To ten digits: floats leave the bounds of all and of none a hair short of 1 and 0.
            fell_due = own["due_cycles"]
            row["compliance_high"] = (
                round(wilson(own["on_time"], fell_due)[1], 10) if fell_due else None
            )
            row["reopen_low"] = round(wilson(own["returned_cycles"], own["answered_cycles"])[0], 10)
            if row["peer_ratio_p50"] is not None:
                row["is_best_practice"] = (
                    own["ratio_p50"] <= 0.7 * row["peer_ratio_p50"]
                    and (
                        None in (row["compliance_high"], row["peer_compliance_share"])
                        or row["compliance_high"] >= row["peer_compliance_share"]
                    )
                    and (
                        row["peer_reopen_share"] is None
                        or row["reopen_low"] <= row["peer_reopen_share"]
                    )
                )
            rows[key] = row
        return rows

    def _practice(self, answers: list[tuple[Filed, Cycle]], due: list[tuple[Filed, Cycle]]) -> Row:
        """A body's answers of a quarter and what fell due in it; what is still open waits to T."""
        waiting = [(case, c) for case, c in due if c.status == "overdue_open"]
        ratios = []
        for _, cycle in (*answers, *waiting):
            end = self.as_of if cycle.status == "overdue_open" else cycle.closed
            assert end is not None
            assert cycle.due is not None
            if end >= cycle.opened and cycle.due > cycle.opened:
                ratios.append((end - cycle.opened) / (cycle.due - cycle.opened))
        return {
            "due_cycles": len(due),
            "answered_cycles": len(answers),
            "on_time": sum(c.status == "on_time" for _, c in due),
            "returned_cycles": sum(self._returned(case, c) for case, c in answers),
            "ratios": len(ratios),
            "ratio_p50": median(ratios) if ratios else None,
            "case_ids": {case.key for case, _ in (*answers, *due)},
        }


# -- the compared towns ---------------------------------------------------------------------------

# Two topics for all, so that topics come again; each has a label in every source that names any.
HOUSING = ("HEALTH", "EDU", "SOC", "HCS", "WASTE", "ENERGY")
TOWN_TOPICS = ("hcs_heating", "roads_snow")
SPELLINGS = (
    "г. {town}, ул. {street}, д. {house}",
    "{town}, {street}, {house}",
    "г {town}, улица {street}, дом {house}, кв. 4",
    "город {town}, {street} ул., {house}",
)


def small_towns(truth: Path, regions: Iterable[str]) -> None:
    """Rewrites the truth files: the same lives in towns of few houses, people and topics.

    In the sandbox at large hardly anything comes again. Only `regions` stay; what happened to a
    case and when is left as it was. The same for the same truth.
    """
    kept = set(regions)
    records = [r for r in _lines(truth / "cases.jsonl") if r["region_code"] in kept]
    labels = {
        (r["source_code"], r["topic_code"]): r["label"]
        for r in reversed(_seed("topic_catalog"))
        if r["label_kind"] == "topic"
    }
    towns = {
        (r["region_code"], r["municipality_code"]): (r["settlement"], r["latitude"], r["longitude"])
        for r in reversed(records)
    }
    common: dict[str, list[str]] = {}
    heads: dict[str, str] = {}
    names = {r["body_code"]: r["body_name"] for r in _seed("bodies")}
    kinds = {r["body_code"]: r["body_kind_code"] for r in _seed("bodies")}
    for region in kept:
        mine = [r for r in records if r["region_code"] == region]
        common[region] = _ranked(r["municipality_code"] for r in mine)[:2]
        for kind in sorted(set(kinds.values())):
            # The busiest body of a kind stays what it is, the others work as one.
            bodies = _ranked(r["body_code"] for r in mine if kinds[r["body_code"]] == kind)
            for body in bodies[2:]:
                heads[body] = bodies[1]
    copied = {
        (r["region_code"], *other.values())
        for r in records
        if (other := r["duplicate_of"]) is not None
    }
    told: dict[tuple[str, ...], dict[str, Any]] = {}
    for record in records:
        key = (record["region_code"], record["source_code"], record["native_id"])
        draw = Random("|".join(key))
        for holder in (record, *record["cycles"]):
            holder["body_code"] = heads.get(holder["body_code"], holder["body_code"])
        record["body_name"] = names[record["body_code"]]
        label = labels.get((key[1], TOWN_TOPICS[record["block_code"] not in HOUSING]))
        if record["topic"] is not None and label is not None:
            record["topic"] = label
        if record["applicant_id"] is not None and draw.random() < 0.6:
            record["applicant_id"] = f"{key[0]}-town-{draw.randrange(25)}"
        if record["address"] is not None:
            code = draw.choice(common[key[0]])
            town, latitude, longitude = towns[key[0], code]
            street, house = draw.randrange(2), draw.randrange(2)
            record |= {
                "municipality_code": code,
                "settlement": town,
                "street": ("Советская", "Зелёная")[street],
                "house": ("1", "2а")[house],
                # Hundreds of metres apart.
                "latitude": round(latitude + 0.01 * street + 0.004 * house, 6),
                "longitude": longitude,
            }
            record["address"] = (
                draw.choice(SPELLINGS).format(
                    town=town, street=record["street"], house=record["house"]
                )
                if draw.random() < 0.8
                else None
            )
        is_alone = record["duplicate_of"] is None and key not in copied
        if is_alone and record["applicant_id"] is not None and not record["is_bad"]:
            before = told.get((*key[:2], record["applicant_id"]))
            received = datetime.fromisoformat(record["received_at"])
            if before is not None and draw.random() < 0.4:
                earlier = datetime.fromisoformat(before["received_at"])
                if received - earlier < timedelta(days=80):
                    record["text"] = before["text"]
            told[(*key[:2], record["applicant_id"])] = record
    _write(truth / "cases.jsonl", records)
    events = [e for e in _lines(truth / "events.jsonl") if e["region_code"] in kept]
    for event in events:
        event["body_code"] = heads.get(event["body_code"], event["body_code"])
    _write(truth / "events.jsonl", events)


def _ranked(codes: Iterable[str]) -> list[str]:
    votes = Counter(codes)
    return sorted(votes, key=lambda code: (-votes[code], code))


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _write(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    lines = (json.dumps(row, ensure_ascii=False) for row in rows)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


# -- comparison -----------------------------------------------------------------------------------

_PLACE = "month_date, region_code, block_code, body_code, municipality_code, channel_code"
_CUT = (
    "period_kind, period_start, region_code, cut_code, block_code, body_code, municipality_code,"
    " channel_code"
)
# Key and cells of each mart that are compared.
_CELLS = {
    "mart_repeat_appeals": (
        _PLACE,
        "answered_cycles returned_cycles reopen_share answered_cases unmatchable_cases"
        " observed_cases repeated_cases repeat_share observed_30d_cases repeated_30d_cases"
        " repeat_share_30d repeated_by_house repeated_by_point repeated_by_equal_text"
        " repeated_by_similar_text repeated_by_cross_channel repeatedly_answered_cases"
        " same_text_copies returned_case_ids repeated_case_ids repeating_case_ids",
    ),
    "mart_problem_overview": (
        "month_date, region_code, block_code, municipality_code",
        "ripe_answers repeated_answers repeat_share",
    ),
    "mart_fast_track": (
        _PLACE,
        "filed_cases fast_track_cases coverage_share eligible_cases missed_cases missed_share"
        " without_norm_cases due_cycles on_time late overdue_open compliance_share missed_case_ids"
        " late_case_ids",
    ),
    "mart_mass_problems": (
        "region_code, topic_code",
        "cases people open_cases answered_cases sources case_ids",
    ),
    "mart_root_causes": (
        "month_date, region_code, topic_code, body_code",
        "cases people answered_cases cases_after_solved recurrence_ratio is_current case_ids",
    ),
    "mart_satisfaction": (
        _CUT,
        "answered_cases not_asked_cases rated_cases response_share satisfied_cases csat_share"
        " csat_shrunk_share peer_share mean_rating mean_first_rating case_ids",
    ),
    "mart_best_practices": (
        "quarter_date, region_code, topic_code, body_code",
        "due_cycles answered_cycles on_time returned_cycles ratio_p50 peer_ratio_p50 peer_bodies"
        " peer_compliance_share peer_reopen_share compliance_high reopen_low is_best_practice"
        " case_ids",
    ),
}


# The overview has a row also where nothing was answered long ago.
_ROWS = {"mart_problem_overview": "ripe_answers > 0"}


def differences(recurrence: Recurrence, query: Query) -> Iterator[str]:
    """Where the warehouse and the reference disagree, one sentence a cell."""
    expected = {
        "mart_repeat_appeals": recurrence.repeat_appeals(),
        "mart_problem_overview": recurrence.overview_repeats(),
        "mart_fast_track": recurrence.fast_track(),
        "mart_mass_problems": recurrence.mass_problems(),
        "mart_root_causes": recurrence.root_causes(),
        "mart_satisfaction": recurrence.satisfaction(),
        "mart_best_practices": recurrence.best_practices(),
    }
    names = {
        case_id: (region, source, number)
        for case_id, region, source, number in query(
            "select case_id, region_code, source_code, native_id from marts.fct_appeals"
        )
    }
    for mart, (key, cells) in _CELLS.items():
        listed = cells.split()
        width = len(key.split(", "))
        found: dict[tuple[Any, ...], Row] = {}
        rows = _ROWS.get(mart, "true")
        for row in query(f"select {key}, {', '.join(listed)} from marts.{mart} where {rows}"):
            values = {
                # A list of ids as the set of the cases that it names.
                name: frozenset(names[one] for one in value) if name.endswith("_ids") else value
                for name, value in zip(listed, row[width:], strict=True)
            }
            # An object has no readable key: what its cases are tells it from others.
            is_of_an_object = mart in ("mart_mass_problems", "mart_root_causes")
            own = (min(values["case_ids"]),) if is_of_an_object else ()
            found[(*row[:width], *own)] = values
        yield from _differing(mart, found, expected[mart])


_COUNTS = frozenset(
    name
    for mart in ("mart_repeat_appeals", "mart_fast_track")
    for name in _CELLS[mart][1].split()
    if not name.endswith(("_share", "_share_30d", "_ids"))
)


def _differing(mart: str, found: Mapping[Any, Row], expected: Mapping[Any, Row]) -> Iterator[str]:
    for key in sorted(found.keys() | expected.keys(), key=str):
        if key not in found or key not in expected:
            yield f"{mart} {key}: only in the {'warehouse' if key in found else 'reference'}"
            continue
        for name, ours in found[key].items():
            # What was never counted is none.
            theirs = expected[key].get(name, 0 if name in _COUNTS else None)
            if isinstance(theirs, float) and ours is not None:
                # Published values are rounded: means to 0.01, shares and ratios to 0.0001.
                tolerance = 0.00501 if name.startswith("mean_") else 0.0000501
                is_equal = abs(float(ours) - theirs) <= tolerance
            else:
                is_equal = ours == theirs
            if not is_equal:
                yield f"{mart} {key} {name}: warehouse {ours}, reference {theirs}"
