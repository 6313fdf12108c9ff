"""The three marts worked out a second time, in plain Python, from what the sandbox says it made.

Written from DOMAIN.md 5.1-5.3 and 5.8, not from the SQL. What a text was understood as (block and
municipality of a case) is given, because understanding is not what is compared here.
"""

from __future__ import annotations

import csv
import json
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

SEEDS = Path(__file__).resolve().parents[2] / "dbt_project" / "seeds"
CaseKey = tuple[str, str, str]  # region_code, source_code, native_id
# block_code, municipality_code, regime_code: what the warehouse understood of a case
Attributes = Mapping[CaseKey, tuple[str, str | None, str | None]]
Query = Callable[[str], list[tuple[Any, ...]]]
CHANNELS = {"pos": "pos", "municipal_register": "municipal", "open311": "open311", "vk": "social"}
Z = 1.96
PRIOR_WEIGHT = 20


@dataclass
class Cycle:
    """One cycle of one case, as of the report."""

    key: CaseKey
    number: int
    body: str | None
    opened: datetime
    due: datetime | None
    closed: datetime | None
    is_excluded: bool
    is_last: bool
    is_extended: bool
    status: str
    raised: int = 0
    answered: int = 0


@dataclass
class Marts:
    """Rows of the three marts by their keys."""

    compliance: dict[tuple[Any, ...], Counter[str]] = field(default_factory=dict)
    workload: dict[tuple[str, str, date], dict[str, Any]] = field(default_factory=dict)
    dimensions: dict[tuple[Any, ...], dict[str, Any]] = field(default_factory=dict)
    ratings: dict[tuple[Any, ...], dict[str, Any]] = field(default_factory=dict)


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def _seed(name: str) -> list[dict[str, str]]:
    with (SEEDS / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def holds(row: Mapping[str, str], day: date) -> bool:
    """Whether a row of a seed is in force on a day."""
    return row["valid_from"] <= day.isoformat() and (
        not row["valid_to"] or day.isoformat() < row["valid_to"]
    )


def _moment(value: str | None) -> datetime | None:
    return datetime.fromisoformat(value) if value else None


def _judge(due: datetime | None, closed: datetime | None, as_of: datetime) -> str:
    if due is None:
        return "undefined"
    if closed is not None and closed <= as_of:
        return "on_time" if closed <= due else "late"
    return "overdue_open" if due < as_of else "open"


class Reference:
    """Reads the truth and computes the marts as of one moment."""

    def __init__(self, truth: Path, as_of: datetime, attributes: Attributes) -> None:
        self.as_of = as_of
        self.attributes = attributes
        self.zones = {r["region_code"]: ZoneInfo(r["time_zone"]) for r in _seed("regions")}
        self.names = {r["body_code"]: r["body_name"] for r in _seed("bodies")}
        self.kinds = {r["body_code"]: r["body_kind_code"] for r in _seed("bodies")}
        self.norms = _seed("workload_norms")
        self.regimes = _seed("regimes")
        self.records = list(_lines(truth / "cases.jsonl"))
        every = [case for case in self.records if not case["is_bad"]]
        # What was merged into another case, deleted or written by a body itself has no row.
        self.cases = {
            self._key(case): case
            for case in every
            if case["is_case"] and not case["duplicate_of"] and not case["is_deleted_at_source"]
        }
        self.events: dict[CaseKey, list[dict[str, Any]]] = defaultdict(list)
        for event in _lines(truth / "events.jsonl"):
            key = (event["region_code"], event["source_code"], event["case_native_id"])
            self.events[key].append({**event, "at": _moment(event["occurred_at"])})
        # What a source hands out under one number is one record: its later row stands.
        numbered = {
            (check["region_code"], check["native_id"]): check
            for check in _lines(truth / "checked_replies.jsonl")
        }
        self.checks = list(numbered.values())
        self.rosters = list(_lines(truth / "rosters.jsonl"))
        self.cycles = [cycle for case in self.cases.values() for cycle in self._cycles(case)]

    @staticmethod
    def _key(case: Mapping[str, Any]) -> CaseKey:
        return (case["region_code"], case["source_code"], case["native_id"])

    def _cycles(self, case: dict[str, Any]) -> Iterator[Cycle]:
        key = self._key(case)
        events = self.events.get(key, [])
        spans = case["cycles"] or [
            {
                "cycle_no": 1,
                "opened_at": case["received_at"],
                "due_at": None,
                "closed_at": None,
                "is_extended": False,
                "body_code": case["body_code"],
            }
        ]
        for number, span in enumerate(spans, start=1):
            own = [e for e in events if e["cycle_no"] == span["cycle_no"]]
            begun = [e["at"] for e in own if e["event"] in ("received", "reopened")]
            opened = min(begun, default=_moment(span["opened_at"]))
            closed = min((e["at"] for e in own if e["event"] == "answered"), default=None)
            if closed is None:
                closed = min((e["at"] for e in own if e["event"] == "closed"), default=None)
            if closed is None and not events:
                closed = _moment(span["closed_at"])
            gone = [
                e for e in own if e["event"] in ("withdrawn", "rejected") and e["at"] <= self.as_of
            ]
            # A register keeps no history: its status says that a case was withdrawn.
            is_withdrawn = case["source_code"] == "municipal_register" and (
                case["outcome"] == "withdrawn"
            )
            if closed is None and gone:
                # A message that was withdrawn or rejected leaves the flow on that day.
                closed = min(e["at"] for e in gone)
            due = _moment(span["due_at"])
            if due is not None and case["source_code"] == "pos":
                due = due.replace(microsecond=999999)  # a day-precise term lasts the whole day
            if opened is None or opened > self.as_of:
                continue
            yield Cycle(
                key=key,
                number=span["cycle_no"],
                # A post names no body: the generator knows whom it concerns, the API does not tell.
                body=None if case["kind"] in ("post", "comment") else span["body_code"],
                opened=opened,
                due=due,
                closed=closed if closed is not None and closed <= self.as_of else None,
                is_excluded=bool(gone) or is_withdrawn,
                is_last=number == len(spans),
                is_extended=bool(span["is_extended"]),
                status="undefined" if gone or is_withdrawn else _judge(due, closed, self.as_of),
                raised=case["questions_raised"] or 0,
                answered=case["questions_answered"] or 0,
            )

    def _local(self, region: str, moment: datetime) -> datetime:
        return moment.astimezone(self.zones[region])

    def compliance(self) -> dict[tuple[Any, ...], Counter[str]]:
        """DOMAIN 5.1, by month of the due date, block, body, municipality and channel."""
        rows: dict[tuple[Any, ...], Counter[str]] = defaultdict(Counter)
        for cycle in self.cycles:
            if cycle.is_excluded:
                continue
            region, source, _ = cycle.key
            month = self._local(region, cycle.due or cycle.opened).date().replace(day=1)
            block, municipality, _ = self.attributes[cycle.key]
            body = cycle.body if cycle.body else None
            row = rows[month, region, block, body, municipality, CHANNELS[source]]
            early = cycle.status == "on_time" and cycle.due and cycle.due > self.as_of
            row["answered_not_yet_due" if early else cycle.status] += 1
            row["cycles"] += 1
            row["extended"] += cycle.is_extended
        return dict(rows)

    def workload(self) -> dict[tuple[str, str, date], dict[str, Any]]:
        """DOMAIN 5.8: flow, backlog and occupancy by week and block."""
        flow: dict[tuple[str, str, date], Counter[str]] = defaultdict(Counter)
        for cycle in self.cycles:
            region = cycle.key[0]
            block = self.attributes[cycle.key][0]
            opened = self._local(region, cycle.opened).date()
            flow[region, block, opened]["intake" if cycle.number == 1 else "reopened"] += 1
            flow[region, block, opened]["waiting"] += not cycle.is_excluded
            if cycle.closed is not None:
                closed = self._local(region, max(cycle.closed, cycle.opened)).date()
                flow[region, block, closed]["closures"] += 1
                flow[region, block, closed]["waiting"] -= not cycle.is_excluded
        hours: dict[tuple[str, str, date], float] = defaultdict(float)
        for region, block, moment, event, weight in self._work():
            day = self._local(region, moment).date()
            monday = day - timedelta(days=day.weekday())
            hours[region, block, monday] += self.norm_hours(region, event, day) * weight
        capacity: dict[tuple[str, str, date], float] = defaultdict(float)
        for row, hours_here in rostered_hours(self.rosters):
            monday = date.fromisoformat(row["week_start"])
            capacity[row["region_code"], row["block_code"], monday] += hours_here * 0.85
        rows: dict[tuple[str, str, date], dict[str, Any]] = {}
        blocks = [r["block_code"] for r in _seed("blocks")]
        for region in sorted({key[0] for key in flow}):
            today = self._local(region, self.as_of).date()
            first = min(day for r, _, day in flow if r == region)
            for block in blocks:
                waiting = 0
                monday = first - timedelta(days=first.weekday())
                while monday <= today:
                    week = Counter[str]()
                    for offset in range(7):
                        week.update(flow.get((region, block, monday + timedelta(offset)), {}))
                    waiting += week["waiting"]
                    last = min(monday + timedelta(6), today)
                    recent = sum(
                        flow.get((region, block, last - timedelta(n)), Counter())["closures"]
                        for n in range(28)
                    )
                    at_hand = capacity.get((region, block, monday), 0)
                    work = hours.get((region, block, monday), 0)
                    # Four digits, halves upwards, whatever a float makes of a half.
                    staff = math.floor(at_hand / 0.85 / 40 * 10_000 + 0.500001) / 10_000
                    rows[region, block, monday] = {
                        "intake": week["intake"],
                        "reopened": week["reopened"],
                        "closures": week["closures"],
                        "open_cases": waiting,
                        "backlog_days": waiting / (recent / 28) if recent else None,
                        "work_hours": work,
                        "occupancy_share": work / at_hand if at_hand else None,
                        "intake_per_fte": week["intake"] / staff if staff else None,
                        "work_hours_per_fte": work / staff if staff else None,
                    }
                    monday += timedelta(7)
        return rows

    def norm_hours(self, region: str, event: str, day: date) -> float:
        """Hours of an event on a day: its steps' norms, the region's own before the common one."""
        steps: dict[str, dict[str, float]] = defaultdict(dict)
        for row in self.norms:
            is_here = row["event_code"] == event and row["region_code"] in (region, "*")
            if is_here and holds(row, day):
                steps[row["step_code"]][row["region_code"]] = float(row["hours"])
        return sum(hours.get(region, hours.get("*", 0)) for hours in steps.values())

    def complexity(self, regime: str | None, day: date) -> float:
        """What a case weighs: the complexity of its regime on the day on which it came."""
        fitting = [r for r in self.regimes if r["regime_code"] == regime and holds(r, day)]
        return float(fitting[0]["complexity"]) if fitting else 1

    def _work(self) -> Iterator[tuple[str, str, datetime, str, float]]:
        """Steps of work with their weight: events of the history; elsewhere receipt and answer."""
        for key, case in self.cases.items():
            block, _, regime = self.attributes[key]
            received = _moment(case["received_at"])
            assert received is not None
            weight = self.complexity(regime, self._local(key[0], received).date())
            if key[1] == "pos":
                steps = [(e["at"], e["event"]) for e in self.events[key]]
            else:
                steps = [(_moment(case["received_at"]), "received")]
                steps += [(_moment(c["closed_at"]), "answered") for c in case["cycles"]]
            for moment, event in steps:
                if moment is not None and moment <= self.as_of:
                    yield key[0], block, moment, event, weight

    def ratings(self) -> tuple[dict[tuple[Any, ...], Any], dict[tuple[Any, ...], Any]]:
        """DOMAIN 5.2 and 5.3: dimensions and the rating of month and quarter."""
        enabled: dict[str, list[tuple[str, float]]] = defaultdict(list)
        for row in _seed("rating_dimensions"):
            enabled[row["region_code"]].append((row["dimension_code"], float(row["weight"])))
        cohorts: dict[tuple[str, date, str], list[Cycle]] = defaultdict(list)
        for cycle in self.cycles:
            region = cycle.key[0]
            if cycle.is_excluded or cycle.due is None or cycle.due > self.as_of:
                continue
            if region in enabled and cycle.body and cycle.status not in ("open", "undefined"):
                for period in _periods(self._local(region, cycle.due).date()):
                    cohorts[(*period, cycle.body)].append(cycle)
        checked: dict[tuple[str, date, str], list[bool]] = defaultdict(list)
        for check in self.checks:
            day = date.fromisoformat(check["checked_at"][:10])
            for period in _periods(day):
                checked[(*period, check["body_code"])].append(bool(check["is_passed"]))
        observed: dict[tuple[Any, ...], tuple[float, int, float, float]] = {}
        groups: dict[tuple[str, date, str], tuple[str, str, str]] = {}
        for who, cycles in cohorts.items():
            region = cycles[0].key[0]
            votes = Counter(
                block for block, _ in {(self.attributes[c.key][0], c.key) for c in cycles}
            )
            main = min(votes, key=lambda block: (-votes[block], block))
            groups[who] = (region, self.kinds[who[2]], main)
            for dimension, _ in enabled[region]:
                found = self._observe(dimension, cycles, checked.get(who, []))
                if found is not None:
                    observed[(*who, dimension)] = found
        return self._score(enabled, cohorts, observed, groups)

    def _observe(
        self, dimension: str, cycles: list[Cycle], checks: list[bool]
    ) -> tuple[float, int, float, float] | None:
        """Amount, n and the bounds: Wilson of a share, order statistics of the speed."""
        answered = [c for c in cycles if c.status != "overdue_open"]
        if dimension == "speed":
            ratios = sorted(self._ratios(cycles))
            n = len(ratios)
            if not n:
                return None
            low = max(1, math.ceil((n - Z * math.sqrt(n)) / 2))
            high = min(n, math.ceil((n + Z * math.sqrt(n)) / 2))
            return median(ratios) * n, n, _points(ratios[high - 1]), _points(ratios[low - 1])
        asked = [c for c in cycles if c.is_last]
        # What waits past its term has left its questions unanswered.
        merits = [c.answered for c in asked if c.status != "overdue_open"]
        k, n = {
            "quantity": (len(answered), len(cycles)),
            "deadlines": (sum(c.status == "on_time" for c in cycles), len(cycles)),
            "quality": (sum(checks), len(checks)),
            "completeness": (sum(merits), sum(c.raised for c in asked)),
        }[dimension]
        return (k, n, *wilson(k, n)) if n else None

    def _ratios(self, cycles: Iterable[Cycle]) -> Iterator[float]:
        for cycle in cycles:
            assert cycle.due is not None
            end = self.as_of if cycle.status == "overdue_open" else cycle.closed
            assert end is not None
            if end >= cycle.opened and cycle.due > cycle.opened:
                yield (end - cycle.opened) / (cycle.due - cycle.opened)

    @staticmethod
    def _score(
        enabled: Mapping[str, list[tuple[str, float]]],
        cohorts: Mapping[tuple[str, date, str], list[Cycle]],
        observed: Mapping[tuple[Any, ...], tuple[float, int, float, float]],
        groups: Mapping[tuple[str, date, str], tuple[str, str, str]],
    ) -> tuple[dict[tuple[Any, ...], Any], dict[tuple[Any, ...], Any]]:
        peers: dict[tuple[Any, ...], list[tuple[float, int]]] = defaultdict(list)
        for (kind, start, body, dimension), (amount, n, _, _) in observed.items():
            region, body_kind, main = groups[kind, start, body]
            peers[kind, start, region, dimension].append((amount, n))
            peers[kind, start, region, dimension, body_kind, main].append((amount, n))
        dimensions: dict[tuple[Any, ...], Any] = {}
        ratings: dict[tuple[Any, ...], Any] = {}
        for who, cycles in cohorts.items():
            region, body_kind, main = groups[who]
            value = low = high = total = 0.0
            is_ranked = len(cycles) >= 10
            for dimension, weight in enabled[region]:
                found = observed.get((*who, dimension))
                if found is None:
                    is_ranked = False
                    continue
                amount, n, lower, upper = found
                near = peers[who[0], who[1], region, dimension, body_kind, main]
                if len(near) < 2:
                    near = peers[who[0], who[1], region, dimension]
                prior = sum(a for a, _ in near) / sum(k for _, k in near)
                shrunk = (amount + PRIOR_WEIGHT * prior) / (n + PRIOR_WEIGHT)
                if dimension == "speed":
                    shrunk = _points(shrunk)
                dimensions[(*who, dimension)] = {
                    "n": n,
                    "shrunk_value": shrunk,
                    "interval_low": lower,
                    "interval_high": upper,
                }
                value += weight * shrunk
                low += weight * lower
                high += weight * upper
                total += weight
            ratings[who] = {
                "due_cycles": len(cycles),
                "answered_cycles": sum(c.status != "overdue_open" for c in cycles),
                "main_block_code": main,
                "score": 100 * value / total if is_ranked else None,
                "score_low": 100 * low / total if is_ranked else None,
                "score_high": 100 * high / total if is_ranked else None,
                "group": (who[0], who[1], region, body_kind),
            }
        return dimensions, ratings


def _periods(day: date) -> tuple[tuple[str, date], tuple[str, date]]:
    quarter = date(day.year, 3 * ((day.month - 1) // 3) + 1, 1)
    return ("month", day.replace(day=1)), ("quarter", quarter)


def rostered_hours(
    rosters: Iterable[Mapping[str, Any]],
) -> Iterator[tuple[Mapping[str, Any], float]]:
    """Each row of the rosters with its hours in its block: a person's time is counted once."""
    people: dict[tuple[str, str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for row in rosters:
        people[row["region_code"], row["staff"], row["week_start"]].append(row)
    for rows in people.values():
        declared = sum(row["share"] for row in rows if row["share"] is not None)
        silent = sum(row["share"] is None for row in rows)
        for row in rows:
            if row["share"] is None:
                part = max(1 - declared, 0) / silent
            else:
                part = row["share"] / max(declared, 1)
            yield row, row["hours"] * part


def _points(ratio: float) -> float:
    return min(max(1.25 - ratio, 0.0), 1.0)


def wilson(k: float, n: int) -> tuple[float, float]:
    """The 95 % interval of a share of n."""
    p = k / n
    centre = p + Z * Z / (2 * n)
    half = Z * math.sqrt(max(p * (1 - p), 0) / n + Z * Z / (4 * n * n))
    return max((centre - half) / (1 + Z * Z / n), 0.0), min((centre + half) / (1 + Z * Z / n), 1.0)


def compute(truth: Path, as_of: datetime, attributes: Attributes) -> Marts:
    """The three marts from the truth files of the sandbox, as of a moment with a zone.

    `attributes` gives block, municipality and regime of every case, as the warehouse has them.
    """
    reference = Reference(truth, as_of.astimezone(UTC), attributes)
    dimensions, ratings = reference.ratings()
    return Marts(reference.compliance(), reference.workload(), dimensions, ratings)


def attributes_of(query: Query) -> dict[CaseKey, tuple[str, str | None, str | None]]:
    """Block, municipality and regime of every case in the marts."""
    rows = query(
        "select region_code, source_code, native_id, block_code, municipality_code, regime_code"
        " from marts.fct_appeals where not is_deleted"
    )
    return {(region, source, number): (*found,) for region, source, number, *found in rows}


def differences(marts: Marts, query: Query) -> list[str]:
    """Where the warehouse and the reference disagree, one sentence a cell; empty when nowhere."""
    return [
        *_compliance_differences(marts, query),
        *_workload_differences(marts, query),
        *_rating_differences(marts, query),
    ]


def _compliance_differences(marts: Marts, query: Query) -> Iterator[str]:
    names = (
        "cycles",
        "on_time",
        "late",
        "overdue_open",
        "open",
        "answered_not_yet_due",
        "undefined",
        "extended",
    )
    rows = query(
        "select month_date, region_code, block_code, body_code, municipality_code, channel_code,"
        f" {', '.join(names)} from marts.mart_deadline_compliance"
    )
    found = {row[:6]: dict(zip(names, row[6:], strict=True)) for row in rows}
    for key in sorted(found.keys() | marts.compliance.keys(), key=str):
        ours, theirs = found.get(key, {}), marts.compliance.get(key, Counter())
        if any(ours.get(name, 0) != theirs.get(name, 0) for name in names):
            yield f"compliance {key}: warehouse {ours}, reference {dict(theirs)}"


def _is_far(ours: Any, theirs: float | None, tolerance: float) -> bool:
    if ours is None or theirs is None:
        return (ours is None) != (theirs is None)
    return abs(float(ours) - theirs) > tolerance


def _workload_differences(marts: Marts, query: Query) -> Iterator[str]:
    tolerances = {
        "intake": 0,
        "reopened": 0,
        "closures": 0,
        "open_cases": 0,
        "backlog_days": 0.051,
        "work_hours": 0.000001,
        "occupancy_share": 0.000051,
        "intake_per_fte": 0.051,
        "work_hours_per_fte": 0.0051,
    }
    rows = query(
        f"select region_code, block_code, week_start, {', '.join(tolerances)}"
        " from marts.mart_block_workload"
    )
    found = {row[:3]: dict(zip(tolerances, row[3:], strict=True)) for row in rows}
    for key in sorted(found.keys() | marts.workload.keys(), key=str):
        if key not in found or key not in marts.workload:
            yield f"workload {key}: only in the {'warehouse' if key in found else 'reference'}"
            continue
        for name, tolerance in tolerances.items():
            ours, theirs = found[key][name], marts.workload[key][name]
            if _is_far(ours, theirs, tolerance):
                yield f"workload {key} {name}: warehouse {ours}, reference {theirs}"


def _rating_differences(marts: Marts, query: Query) -> Iterator[str]:
    names = ("n", "shrunk_value", "interval_low", "interval_high")
    rows = query(
        f"select period_kind, period_start, body_code, dimension_code, {', '.join(names)}"
        " from marts.mart_agency_rating_dimensions where n > 0"
    )
    found = {row[:4]: dict(zip(names, row[4:], strict=True)) for row in rows}
    for key in sorted(found.keys() | marts.dimensions.keys(), key=str):
        ours, theirs = found.get(key), marts.dimensions.get(key)
        if not ours or not theirs or any(_is_far(ours[n], theirs[n], 0.0001) for n in names):
            yield f"dimension {key}: warehouse {ours}, reference {theirs}"
    totals = ("due_cycles", "answered_cycles", "score", "score_low", "score_high")
    rows = query(
        f"select period_kind, period_start, body_code, {', '.join(totals)}, main_block_code"
        " from marts.mart_agency_rating"
    )
    found = {row[:3]: dict(zip((*totals, "main"), row[3:], strict=True)) for row in rows}
    for key in sorted(found.keys() | marts.ratings.keys(), key=str):
        ours, theirs = found.get(key), marts.ratings.get(key)
        if (
            not ours
            or not theirs
            or ours["main"] != theirs["main_block_code"]
            or any(_is_far(ours[name], theirs[name], 0.0501) for name in totals)
        ):
            yield f"rating {key}: warehouse {ours}, reference {theirs}"
    yield from _rank_differences(query)


def _rank_differences(query: Query) -> Iterator[str]:
    """Dense ranks of the published scores, kind by kind."""
    rows = query(
        "select period_kind, period_start, region_code, body_kind_code, body_code, score,"
        ' "rank" from marts.mart_agency_rating where score is not null'
    )
    groups: dict[tuple[Any, ...], list[tuple[str, Any, int]]] = defaultdict(list)
    for *group, body, score, rank in rows:
        groups[tuple(group)].append((body, score, rank))
    for key, members in groups.items():
        places = sorted({score for _, score, _ in members}, reverse=True)
        for body, score, rank in members:
            if rank != places.index(score) + 1:
                yield f"rank {key} {body}: warehouse {rank}, reference {places.index(score) + 1}"
