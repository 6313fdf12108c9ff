"""The steps before the answer and its internal term, worked out a second time in plain Python.

Written from DOMAIN.md 2.1, 5.1 and 5.3, not from the SQL: what the sandbox says it made, the rules
of the seeds, a walk through the calendar by day and through working hours by interval.
"""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any

from tests.reference.marts_reference import CHANNELS, SEEDS, Attributes, CaseKey, Cycle, Reference

Query = Callable[[str], list[tuple[Any, ...]]]
Key = tuple[Any, ...]  # month, region, block, body, municipality, channel
STATES = ("on_time", "late", "overdue_open", "not_yet_due", "undefined")
COUNTS = (
    *(f"internal_{state}" for state in STATES),
    *(f"first_reply_{state}" for state in STATES),
    *(f"registration_{state}" for state in STATES),
    "forwarding_on_time",
    "forwarding_late",
)


def _rows(name: str) -> list[dict[str, str]]:
    with (SEEDS / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@dataclass(frozen=True)
class Hours:
    """Working hours of a body; `friday` where Friday ends at another time."""

    weekdays: frozenset[int]
    start: time
    end: time
    friday: time | None = None
    lunch: tuple[time, time] | None = None


@dataclass(frozen=True)
class Succession:
    """`before` was `after` until the day `since`."""

    before: str
    after: str
    since: date


class Calendar:
    """Days and hours of work by the production calendar."""

    def __init__(self) -> None:
        self.kinds = {
            date.fromisoformat(row["calendar_date"]): row["day_kind"]
            for row in _rows("production_calendar")
        }
        self.holidays = {(int(row["month"]), int(row["day"])) for row in _rows("public_holidays")}

    def is_working(self, day: date) -> bool:
        kind = self.kinds.get(day)
        if kind in ("short_day", "working_weekend"):
            return True
        return kind in (None, "epidemic_day") and day.weekday() < 5

    def rolled(self, day: date, rollover: str) -> date:
        step = {"next": 1, "previous": -1, "none": 0}[rollover]
        while step and not self.is_working(day):
            day += timedelta(step)
        return day

    def spans(self, day: date, hours: Hours) -> Iterator[tuple[datetime, datetime]]:
        """The stretches of a day in which a body works, local and naive."""
        if day.weekday() >= 5 and day not in self.kinds:
            open_today = (
                day.weekday() in hours.weekdays and (day.month, day.day) not in self.holidays
            )
        else:
            open_today = self.is_working(day) and (
                day.weekday() in hours.weekdays or day.weekday() >= 5
            )
        if not open_today:
            return
        end = datetime.combine(day, (hours.friday if day.weekday() == 4 else None) or hours.end)
        if self.kinds.get(day) == "short_day":
            end -= timedelta(hours=1)
        start = datetime.combine(day, hours.start)
        if hours.lunch is None:
            yield start, end
            return
        first, last = (datetime.combine(day, moment) for moment in hours.lunch)
        yield start, min(first, end)
        if last < end:
            yield last, end

    def after(self, start: datetime, worked: timedelta, hours: Hours) -> datetime:
        """When so much working time has passed since a local moment."""
        day = start.date()
        while True:
            for begin, end in self.spans(day, hours):
                begin = max(begin, start)
                if begin < end:
                    if end - begin >= worked:
                        return begin + worked
                    worked -= end - begin
            day += timedelta(1)


def default_hours() -> Hours:
    """The schedule of every region that states none."""
    (row,) = (row for row in _rows("work_schedules") if row["region_code"] == "*")
    assert row["working_days"] == "mon-fri"
    return Hours(
        frozenset(range(5)),
        time.fromisoformat(row["work_start"]),
        time.fromisoformat(row["work_end"]),
        time.fromisoformat(row["short_day_end"]),
        (time.fromisoformat(row["break_start"]), time.fromisoformat(row["break_end"])),
    )


@dataclass
class Deadlines:
    """Rows of `mart_deadline_compliance` that have a step or an internal term."""

    counts: dict[Key, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    cases: dict[str, dict[Key, set[CaseKey]]] = field(
        default_factory=lambda: {
            name: defaultdict(set) for name in ("answer", "first_reply", "step")
        }
    )


class Steps:
    """The clocks of every cycle of the truth as of one moment."""

    def __init__(
        self,
        reference: Reference,
        attributes: Attributes,
        successions: tuple[Succession, ...] = (),
    ) -> None:
        self.reference = reference
        self.as_of = reference.as_of
        self.attributes = attributes
        self.successions = successions
        self.calendar = Calendar()
        self.hours = default_hours()
        self.rules = [row for row in _rows("deadline_rules") if row["is_active"] == "true"]
        self.topics = {
            (row["source_code"], row["label"]): row["topic_code"]
            for name in ("label_blocks", "topic_catalog")
            for row in _rows(name)
            if row["label_kind"] == "topic"
        }
        self.replies: dict[CaseKey, datetime] = {}
        for record in reference.records:
            if record["source_code"] != "vk" or record["is_case"] or not record["parent_native_id"]:
                continue
            key = (record["region_code"], "vk", record["parent_native_id"])
            moment = datetime.fromisoformat(record["received_at"])
            self.replies[key] = min(self.replies.get(key, moment), moment)

    def legal(self, body: str | None, day: date) -> str | None:
        """Who answered in law, on that day, for what stands under a body's name."""
        for succession in self.successions:
            if body == succession.after and day < succession.since:
                return succession.before
            if body == succession.before and day >= succession.since:
                return succession.after
        return body

    def rule(
        self, case: Mapping[str, Any], regime: str, kind: str, basis: str, day: date
    ) -> dict[str, str] | None:
        topic = self.topics.get((case["source_code"], case["topic"])) or ""
        fitting = [
            row
            for row in self.rules
            if row["regime_code"] == regime
            and row["reply_kind"] == kind
            and (row["basis"] == "internal") == (basis == "internal")
            and row["topic_code"] in ("", topic)
            and not row["case_priority"]
            and row["channel_code"] in ("", CHANNELS[case["source_code"]])
            and row["is_fast_track"] in ("", str(case["is_fast_track"]).lower())
            and row["valid_from"] <= day.isoformat()
            and (not row["valid_to"] or day.isoformat() < row["valid_to"])
        ]
        return max(
            fitting, key=lambda row: (int(row["priority"]), bool(row["topic_code"])), default=None
        )

    def _end(self, region: str, day: date) -> datetime:
        last = datetime.combine(day, time(23, 59, 59, 999999))
        return last.replace(tzinfo=self.reference.zones[region])

    def _state(self, due: datetime, done: datetime | None) -> str:
        if done is not None and done <= self.as_of:
            state = "on_time" if done <= due else "late"
        else:
            state = "overdue_open" if due < self.as_of else "open"
        early = state == "open" or (state == "on_time" and due > self.as_of)
        return "not_yet_due" if early else state

    def compute(self) -> Deadlines:
        """Counts and cases by the keys of the mart."""
        found = Deadlines()
        for cycle in self.reference.cycles:
            if not cycle.is_excluded:
                self._cycle(found, cycle)
        return found

    def _cycle(self, found: Deadlines, cycle: Cycle) -> None:
        case = self.reference.cases[cycle.key]
        region, source, _ = cycle.key
        block, municipality, regime = self.attributes[cycle.key]
        local = self.reference._local

        def key(moment: datetime, body: str | None) -> Key:
            month = local(region, moment).date().replace(day=1)
            return (month, region, block, body, municipality, CHANNELS[source])

        def held(*moments: datetime | None) -> date:
            return local(region, min(m for m in (*moments, self.as_of) if m is not None)).date()

        answer_body = self.legal(cycle.body, held(cycle.due, cycle.closed))
        if cycle.status in ("late", "overdue_open"):
            assert cycle.due is not None
            found.cases["answer"][key(cycle.due, answer_body)].add(cycle.key)
        opened_on = local(region, cycle.opened).date()
        if source == "pos" and cycle.due is not None:
            rule = self.rule(case, regime or "", "final", "internal", opened_on)
            legal = self.rule(case, regime or "", "final", "legal", opened_on)
            assert rule is not None
            assert legal is not None
            assert rule["unit"] == legal["unit"] == "calendar_day"
            nominal = opened_on + timedelta(int(rule["duration"]) - (rule["count_from"] == "day"))
            base = opened_on + timedelta(int(legal["duration"]) - (legal["count_from"] == "day"))
            moved = local(region, cycle.due).date() - self.calendar.rolled(base, legal["rollover"])
            due = self._end(region, self.calendar.rolled(nominal + moved, rule["rollover"]))
            found.counts[key(due, answer_body)][f"internal_{self._state(due, cycle.closed)}"] += 1
        self._first_reply(found, cycle, case, key)
        if source == "pos":
            self._registration_and_forwarding(found, cycle, case, key, held)

    def _first_reply(
        self, found: Deadlines, cycle: Cycle, case: Mapping[str, Any], key: Callable[..., Key]
    ) -> None:
        region = cycle.key[0]
        local = self.reference._local(region, cycle.opened)
        regime = self.attributes[cycle.key][2]
        rule = self.rule(case, regime or "", "first_reply", "norm", local.date())
        if rule is None:
            return
        assert rule["unit"] == "hour"
        end = self.calendar.after(
            local.replace(tzinfo=None), timedelta(hours=int(rule["duration"])), self.hours
        )
        due = end.replace(tzinfo=self.reference.zones[region])
        replied = self.replies.get(cycle.key)
        if replied is not None and replied < cycle.opened:
            replied = None
        state = self._state(due, replied)
        # A post names no body.
        found.counts[key(due, None)][f"first_reply_{state}"] += 1
        if state in ("late", "overdue_open"):
            found.cases["first_reply"][key(due, None)].add(cycle.key)

    def _registration_and_forwarding(
        self,
        found: Deadlines,
        cycle: Cycle,
        case: Mapping[str, Any],
        key: Callable[..., Key],
        held: Callable[..., date],
    ) -> None:
        region = cycle.key[0]
        regime = self.attributes[cycle.key][2] or ""
        events = self.reference.events[cycle.key]
        own = [event for event in events if event["cycle_no"] == cycle.number]
        registered = min((e["at"] for e in own if e["event"] == "registered"), default=None)
        start = registered or cycle.opened
        local = self.reference._local
        rule = self.rule(case, regime, "registration", "legal", local(region, cycle.opened).date())
        if rule is not None and cycle.number == 1:
            day = local(region, cycle.opened).date() + timedelta(int(rule["duration"]))
            due = self._end(region, self.calendar.rolled(day, rule["rollover"]))
            body = self._holder(events, min(due, registered or self.as_of, self.as_of))
            cell = key(due, self.legal(body, held(due, registered)))
            state = self._state(due, registered)
            found.counts[cell][f"registration_{state}"] += 1
            if state in ("late", "overdue_open"):
                found.cases["step"][cell].add(cycle.key)
        forwarded = min((e["at"] for e in own if e["event"] == "transferred"), default=None)
        rule = self.rule(case, regime, "forwarding", "legal", local(region, start).date())
        if rule is not None and forwarded is not None and forwarded <= self.as_of:
            day = local(region, start).date() + timedelta(int(rule["duration"]))
            due = self._end(region, self.calendar.rolled(day, rule["rollover"]))
            before = forwarded - timedelta(microseconds=1)
            cell = key(due, self.legal(self._holder(events, before), held(before)))
            state = "on_time" if forwarded <= due else "late"
            found.counts[cell][f"forwarding_{state}"] += 1
            if state == "late":
                found.cases["step"][cell].add(cycle.key)

    @staticmethod
    def _holder(events: list[dict[str, Any]], moment: datetime) -> str | None:
        order = ("received", "routed", "transferred", "assigned")
        passed = [e for e in events if e["event"] in order and e["at"] <= moment]
        passed.sort(key=lambda e: (e["at"], order.index(e["event"])))
        return passed[-1]["body_code"] if passed else None


def differences(expected: Deadlines, query: Query) -> list[str]:
    """Where mart and reference disagree, one sentence a cell; empty when nowhere."""
    key_columns = "month_date, region_code, block_code, body_code, municipality_code, channel_code"
    rows = query(f"select {key_columns}, {', '.join(COUNTS)} from marts.mart_deadline_compliance")
    ours = {row[:6]: dict(zip(COUNTS, row[6:], strict=True)) for row in rows}
    wrong = []
    for key in sorted(ours.keys() | expected.counts.keys(), key=str):
        mine, theirs = ours.get(key, {}), expected.counts.get(key, Counter())
        if any(mine.get(name, 0) != theirs.get(name, 0) for name in COUNTS):
            mine = {name: count for name, count in mine.items() if count}
            wrong.append(f"{key}: warehouse {mine}, reference {dict(theirs)}")
    columns = {"answer": "case_ids", "first_reply": "first_reply_case_ids", "step": "step_case_ids"}
    for name, column in columns.items():
        listed: dict[Key, set[CaseKey]] = defaultdict(set)
        for *cell, region, source, number in query(
            f"select {key_columns.replace('month', 'mart.month').replace(', ', ', mart.')},"
            " appeal.region_code, appeal.source_code, appeal.native_id"
            " from marts.mart_deadline_compliance as mart"
            f" cross join unnest(mart.{column}) as listed (case_id)"
            " join marts.fct_appeals as appeal using (case_id)"
        ):
            listed[tuple(cell)].add((region, source, number))
        for key in sorted(listed.keys() | expected.cases[name].keys(), key=str):
            apart = listed[key] ^ expected.cases[name].get(key, set())
            if apart:
                wrong.append(f"{column} {key}: {apart}")
    return wrong
