"""The generator: what happened in five regions, day by day, with its plain truth.

Times inside the world are naive local times of the region (none of the five changes its clock).
Whole lives are planned at once and cut at ``as_of`` afterwards, so a later ``as_of`` continues the
same lives instead of inventing others.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from random import Random

from ingestion.sandbox.catalog import BLOCKS, Body, Catalog, Place, Topic, load_catalog
from ingestion.sandbox.people import Person, invent_person
from ingestion.sandbox.regions import NO_ROSTER, REGIONS, Region
from ingestion.sandbox.terms import Rule, load_terms
from ingestion.sandbox.texts import (
    STREETS,
    Address,
    compose_announcement,
    compose_chatter,
    compose_complaint,
    compose_reply,
)

EPOCH = date(2020, 1, 1)
DAYS = 730
"""The sandbox reaches 24 months back, in days, so that a window of 731 days holds all of it."""
SOURCE_SHARES = {"pos": 0.55, "municipal_register": 0.15, "open311": 0.15, "vk": 0.15}
COMMENT_DAYS = 12
VERDICT_MISMATCH = 0.012
"""Share of source verdicts that are wrong on purpose."""
_EVENINGS = (1, 1, 0, 0, 0, 1, 2, 4, 7, 9, 10, 10, 8, 8, 8, 8, 8, 8, 9, 9, 8, 7, 4, 2)
_OFFICE = (0, 0, 0, 0, 0, 0, 0, 0, 5, 9, 10, 9, 5, 8, 9, 9, 8, 5, 1, 0, 0, 0, 0, 0)
_HOLIDAYS = {(1, day) for day in range(1, 9)} | {(2, 23), (3, 8), (5, 1), (5, 9), (6, 12), (11, 4)}


@dataclass
class Event:
    """One step of a case; ``new_due`` and ``rating`` belong to extensions and ratings."""

    cycle_no: int
    event: str
    at: datetime
    body_code: str
    new_due: date | None = None
    rating: int | None = None


@dataclass
class Cycle:
    """One handling of a case: opened, due, and closed when it is."""

    cycle_no: int
    opened_at: datetime
    due_at: datetime | None
    source_due_at: datetime | None
    closed_at: datetime | None
    is_extended: bool
    body_code: str
    deadline_status: str


@dataclass
class Case:
    """One record of a case source as of the world's ``as_of``."""

    region_code: str
    source_code: str
    native_id: str
    kind: str
    received_at: datetime
    topic: Topic | None
    body: Body
    address: Address
    applicant_id: str
    person: Person
    text: str
    served_on: date
    """The local day under which the source lists the record."""
    is_fast_track: bool = False
    is_59fz: bool = False
    is_case: bool = True
    is_deleted: bool = False
    bad_reason: str | None = None
    duplicate_of: tuple[str, str] | None = None
    external_number: str | None = None
    has_fact: bool = True
    has_labels: bool = True
    received_body: Body | None = None
    outcome: str = "open"
    rating: int | None = None
    questions_raised: int = 1
    questions_answered: int | None = None
    reply_text: str = ""
    source_verdict: str | None = None
    changed_at: datetime | None = None
    events: list[Event] = field(default_factory=list)
    cycles: list[Cycle] = field(default_factory=list)
    wall_id: int = 0
    post_id: int = 0
    parent_id: int = 0
    thread_of: int = 0
    staff: tuple[str, str, str] = ("", "", "")

    @property
    def is_bad(self) -> bool:
        return self.bad_reason is not None


@dataclass(frozen=True)
class RosterRow:
    native_id: str
    region_code: str
    week_start: date
    block_code: str
    staff: str
    hours: float
    share: float | None


@dataclass(frozen=True)
class CheckedReply:
    native_id: str
    region_code: str
    case_native_id: str
    body_code: str
    checked_at: date
    is_passed: bool


@dataclass(frozen=True)
class Population:
    native_id: str
    region_code: str
    municipality_code: str
    municipality: str
    year: int
    population: int


@dataclass
class World:
    """Everything that the servers hand out, and nothing later than ``as_of``."""

    seed: int
    as_of: datetime
    catalog: Catalog
    first_day: dict[str, date]
    local_as_of: dict[str, datetime]
    cases: list[Case]
    rosters: list[RosterRow]
    checked_replies: list[CheckedReply]
    populations: list[Population]

    def of(self, region_code: str, source_code: str) -> list[Case]:
        """The region's records of one source, in the order of receipt."""
        return self._index().get((region_code, source_code), [])

    def _index(self) -> dict[tuple[str, str], list[Case]]:
        if not hasattr(self, "_by_source"):
            index: dict[tuple[str, str], list[Case]] = defaultdict(list)
            for case in self.cases:
                index[case.region_code, case.source_code].append(case)
            self._by_source = dict(index)
        return self._by_source


@dataclass(frozen=True)
class _Habit:
    """How a body works, constant but for a slow drift by quarter."""

    late_share: float
    pace: float
    pass_share: float
    satisfaction: float
    completeness: float


@lru_cache(maxsize=4096)
def _habit(seed: int, body_code: str, quarter: int) -> _Habit:
    rng = Random(f"{seed}|body|{body_code}")
    late = rng.uniform(0.05, 0.24)
    pace = rng.uniform(0.3, 0.72)
    passed = rng.uniform(0.72, 0.97)
    satisfaction = rng.uniform(0.15, 0.75)
    completeness = rng.uniform(0.76, 0.98)
    drift = Random(f"{seed}|body|{body_code}|{quarter}").uniform(-0.05, 0.05)
    return _Habit(
        min(max(late + drift, 0.02), 0.35),
        min(max(pace + drift, 0.2), 0.85),
        min(max(passed - drift, 0.5), 0.99),
        satisfaction,
        min(max(completeness - drift, 0.5), 0.99),
    )


@lru_cache(maxsize=8192)
def _staff_name(seed: int, body_code: str, number: int) -> str:
    return invent_person(Random(f"{seed}|{body_code}|staff|{number}")).full_name


def _quarter(day: date) -> int:
    return day.year * 4 + (day.month - 1) // 3


def _poisson(rng: Random, mean: float) -> int:
    if mean > 60:
        return max(0, round(rng.gauss(mean, math.sqrt(mean))))
    limit, count, product = math.exp(-mean), 0, rng.random()
    while product > limit:
        product *= rng.random()
        count += 1
    return count


def day_factor(day: date) -> float:
    """How busy a day is against the mean of about 1: week, year, holidays, a slow growth."""
    week = (1.22, 1.18, 1.12, 1.08, 1.0, 0.72, 0.66)[day.weekday()]
    year = 1 + 0.10 * math.cos(2 * math.pi * (day.timetuple().tm_yday - 40) / 365.25)
    holiday = 0.55 if (day.month, day.day) in _HOLIDAYS else 1.0
    growth = 1 + 0.10 * max(-3.0, min(3.0, (day - date(2025, 11, 21)).days / 365.25))
    return week * year * holiday * growth


def _season_factor(season: str, day: date) -> float:
    month = day.month
    if season == "w":
        return 2.2 if month in (10, 11, 12, 1, 2, 3) else 0.5
    if season == "W":
        return 3.2 if month in (12, 1, 2, 3) else (0.8 if month == 11 else 0.03)
    if season == "s":
        return 1.8 if month in (5, 6, 7, 8, 9) else 0.6
    if season == "a":
        return 1.7 if month in (3, 4, 8, 9, 10) else 0.75
    if season == "A":
        return 1.7 if month in (9, 10, 11, 12, 1) else 0.6
    return 1.0


def _moment(rng: Random, day: date, hours: tuple[int, ...]) -> datetime:
    hour = rng.choices(range(24), weights=hours)[0]
    return datetime.combine(day, time(hour, rng.randrange(60), rng.randrange(60)))


def normalised(text: str) -> str:
    """Lower case, letters and digits only: how copies in two channels are compared."""
    return "".join(filter(str.isalnum, text.lower()))


def _end_of(day: date) -> datetime:
    return datetime.combine(day, time(23, 59, 59))


class _Chooser:
    """Weighted topics and places of one region, with the sums made once."""

    def __init__(self, catalog: Catalog, region: Region) -> None:
        self.region = region
        self.topics = list(catalog.topics.values())
        self.places = catalog.places[region.code]
        self.place_weights = [place.population**0.92 for place in self.places]
        self.city_places = [place for place in self.places if place.code in catalog.administrations]
        self.city_weights = [place.population**0.92 for place in self.city_places]
        self._by_month: dict[tuple[str, int], tuple[list[Topic], list[float]]] = {}

    def topic(self, rng: Random, source_code: str, day: date) -> Topic:
        key = (source_code, day.month)
        if key not in self._by_month:
            fitting = [
                topic for topic in self.topics if source_code != "open311" or topic.service_code
            ]
            weights = [topic.weight * _season_factor(topic.season, day) for topic in fitting]
            self._by_month[key] = (fitting, weights)
        fitting, weights = self._by_month[key]
        return rng.choices(fitting, weights=weights)[0]

    def place(self, rng: Random, *, municipal: bool) -> Place:
        if municipal:
            return rng.choices(self.city_places, weights=self.city_weights)[0]
        return rng.choices(self.places, weights=self.place_weights)[0]


def _route(
    rng: Random, catalog: Catalog, region_code: str, topic: Topic | None, place: Place
) -> Body:
    """The body that is competent for a topic at a place."""
    block = topic.block_code if topic and topic.block_code in BLOCKS else "HCS"
    weights = {
        "HEALTH": (0.45, 0.0, 0.55),
        "EDU": (0.55, 0.45, 0.0),
        "SOC": (0.5, 0.0, 0.5),
        "HCS": (0.25, 0.75, 0.0),
        "WASTE": (0.45, 0.55, 0.0),
        "ROADS": (0.15, 0.55, 0.3),
        "TRANSPORT": (0.4, 0.6, 0.0),
        "ENERGY": (0.7, 0.3, 0.0),
    }[block]
    administration = catalog.administrations.get(place.code)
    institution = catalog.institutions.get((region_code, block))
    options = [
        (catalog.ministries[region_code, block], weights[0]),
        (administration, weights[1]),
        (institution, weights[2]),
    ]
    usable = [(body, weight) for body, weight in options if body is not None and weight > 0]
    return rng.choices([body for body, _ in usable], weights=[weight for _, weight in usable])[0]


class _RegionMaker:
    """Makes one region's records."""

    def __init__(
        self, seed: int, catalog: Catalog, region: Region, cases: int, now: datetime, first: date
    ) -> None:
        self.seed = seed
        self.catalog = catalog
        self.region = region
        self.now = now
        self.first = first
        self.terms = load_terms()
        self.per_day = cases * region.share / DAYS * 0.93
        self.chooser = _Chooser(catalog, region)
        self.applicants = max(40, int(cases * region.share * 0.55))
        self.texts: set[str] = set()
        self.cases: list[Case] = []

    # -- people and places -------------------------------------------------------------------

    @lru_cache(maxsize=65536)  # noqa: B019 - lives as long as the one generation
    def _person(self, number: int) -> tuple[Person, int]:
        rng = Random(f"{self.seed}|{self.region.code}|applicant|{number}")
        return invent_person(rng), rng.randrange(10**9)

    @lru_cache(maxsize=65536)  # noqa: B019
    def _home(self, number: int, municipal: bool) -> Address:
        rng = Random(f"{self.seed}|{self.region.code}|home|{number}|{municipal}")
        return self._address(rng, self.chooser.place(rng, municipal=municipal))

    def _address(self, rng: Random, place: Place) -> Address:
        street_no = int(len(STREETS) * rng.random() ** 1.4)
        street, bent = STREETS[street_no]
        house = 1 + int(90 * rng.random() ** 1.6)
        suffix = rng.choice(("", "", "", "", "", "а", "б", "/2"))
        angle = 2 * math.pi * ((street_no * 0.618) % 1)
        reach = (0.004 + 0.03 * (house / 90)) * min(2.5, math.sqrt(place.population / 60000) + 0.3)
        return Address(
            place,
            street,
            bent,
            f"{house}{suffix}",
            rng.randint(1, 160),
            round(place.latitude + reach * math.sin(angle), 6),
            round(place.longitude + 1.6 * reach * math.cos(angle), 6),
        )

    # -- one day -----------------------------------------------------------------------------

    def day(self, day: date) -> None:
        """Adds the records received on a local day, with the copies that they have elsewhere."""
        rng = Random(f"{self.seed}|{self.region.code}|{day.isoformat()}")
        usual = self.per_day * day_factor(day)
        count = _poisson(rng, usual)
        spike_topic, spiked = self._spike(rng, day, usual)
        for ordinal in range(count + spiked):
            case_rng = Random(f"{self.seed}|{self.region.code}|{day.isoformat()}|{ordinal}")
            self._one(case_rng, day, ordinal, spike_topic if ordinal >= count else None)
        self._bad_rows(day)

    def _spike(self, rng: Random, day: date, usual: float) -> tuple[Topic | None, int]:
        spike = self.region.spike
        start = date(day.year, spike.month, spike.day)
        if not 0 <= (day - start).days < spike.days:
            return None, 0
        return self.catalog.topics[spike.topic_code], _poisson(rng, usual * spike.strength)

    def _number(self, source_code: str, day: date, ordinal: int) -> str:
        index = (day - EPOCH).days
        prefix = self.region.oktmo
        if source_code == "pos":
            return f"{prefix}{index:04d}{ordinal:05d}"
        if source_code == "open311":
            return f"{prefix}-{index:04d}-{ordinal:05d}"
        return f"МР-{prefix}/{day.year}/{index:04d}{ordinal:05d}"

    def _one(self, rng: Random, day: date, ordinal: int, spike: Topic | None) -> None:
        source = rng.choices(list(SOURCE_SHARES), weights=list(SOURCE_SHARES.values()))[0]
        topic = spike or self.chooser.topic(rng, source, day)
        if source == "open311" and not topic.service_code:
            source = "pos"
        number = int(self.applicants * rng.random() ** 1.5)
        person, habit_no = self._person(number)
        municipal = source in ("open311", "municipal_register")
        address = self._home(number, municipal)
        persistent = habit_no % 11 == 0 and spike is None
        if persistent and rng.random() < 0.6:
            # Some people write about one thing again and again (repeat appeals, DOMAIN.md 5.4).
            favourite = self.chooser.topics[habit_no // 11 % len(self.chooser.topics)]
            if source != "open311" or favourite.service_code:
                topic = favourite
        elif rng.random() < 0.25:
            address = self._address(rng, self.chooser.place(rng, municipal=municipal))
        if spike is not None and rng.random() < 0.7:
            # A mass problem sits on few houses of the main city.
            main = max(self.chooser.places, key=lambda place: place.population)
            address = self._address(
                Random(f"{self.seed}|{self.region.code}|{day.year}|{rng.randrange(6)}"), main
            )
        received = _moment(rng, day, _EVENINGS)
        if received > self.now:
            return
        if source == "vk":
            self._vk(rng, day, ordinal, received, topic, address, person, number)
            return
        manner = "letter" if source == "pos" and rng.random() < 0.6 else "plain"
        body = (
            _route(rng, self.catalog, self.region.code, topic, address.place)
            if source == "pos"
            else self._municipal_body(rng, topic, address.place)
        )
        case = Case(
            region_code=self.region.code,
            source_code=source,
            native_id=self._number(source, day, ordinal),
            kind="request" if source == "open311" else "appeal",
            received_at=received,
            topic=topic,
            body=body,
            address=address,
            applicant_id=f"{self.region.code}-{number}",
            person=person,
            text=self._unique_text(rng, topic, address, person, day, manner),
            served_on=day,
            received_body=body,
        )
        self._live(rng, case)
        self.cases.append(case)
        self._copies(case, day, ordinal)

    def _municipal_body(self, rng: Random, topic: Topic | None, place: Place) -> Body:
        institution = self.catalog.institutions.get(
            (self.region.code, topic.block_code if topic else "")
        )
        if institution is not None and rng.random() < 0.12:
            return institution
        return self.catalog.administrations[place.code]

    def _is_new(self, text: str) -> bool:
        """No two people write the same, punctuation apart: that would be a copy untold."""
        normal = normalised(text)
        if normal in self.texts:
            return False
        self.texts.add(normal)
        return True

    def _unique_text(
        self, rng: Random, topic: Topic, address: Address, person: Person, day: date, manner: str
    ) -> str:
        while True:
            text = compose_complaint(
                rng, topic=topic, address=address, person=person, day=day, manner=manner
            )
            if self._is_new(text):
                return text

    # -- lives -------------------------------------------------------------------------------

    def _live(self, rng: Random, case: Case) -> None:
        topic = case.topic
        eligible = topic is not None and topic.is_fast_track.get(case.source_code, False)
        if case.source_code == "pos":
            case.is_fast_track = eligible and rng.random() < 0.82
            case.is_59fz = not case.is_fast_track and rng.random() < 0.15
            shape = rng.random()
            case.has_labels = shape > 0.01
            case.has_fact = shape > 0.04
            self._live_pos(rng, case)
            # The history export knows minutes, and so does the truth.
            case.received_at = case.received_at.replace(second=0)
            for event in case.events:
                event.at = event.at.replace(second=0, microsecond=0)
        else:
            case.is_fast_track = eligible
            case.has_labels = rng.random() > 0.015
            self._live_municipal(rng, case)
        case.events = [event for event in case.events if event.at <= self.now]
        self._settle(rng, case)

    def _duration(self, rng: Random, body: Body, opened: datetime, days: int) -> timedelta:
        """Time to the answer: on time by a beta of the body's pace, or late by an exponential."""
        habit = _habit(self.seed, body.code, _quarter(opened.date()))
        if rng.random() < habit.late_share:
            excess = rng.expovariate(1 / 0.28) + 0.04
            if rng.random() < 0.12:
                excess += rng.uniform(2, 9)
            return timedelta(days=days * (1 + excess))
        share = rng.betavariate(5 * habit.pace + 0.6, 5 * (1 - habit.pace) + 0.6)
        return timedelta(days=max(0.3, days * share * 0.985))

    def _office(self, rng: Random, at: datetime, floor: datetime) -> datetime:
        """Moves a step into working hours of the same day, never before the step before it."""
        moved = _moment(rng, at.date(), _OFFICE)
        return max(moved, floor + timedelta(minutes=rng.randint(3, 40)))

    def _live_pos(self, rng: Random, case: Case) -> None:
        events = case.events
        at = case.received_at
        body = case.body
        events.append(Event(1, "received", at, body.code))
        at = min(at + timedelta(minutes=rng.randint(1, 9)), _end_of(at.date()))
        events.append(Event(1, "registered", at, body.code))
        registered = at
        if rng.random() < 0.015:
            at += timedelta(days=rng.uniform(0.2, 2.5))
            events.append(Event(1, "rejected", at, body.code))
            return
        at = self._office(rng, at + timedelta(hours=rng.uniform(1, 30)), at)
        events.append(Event(1, "routed", at, body.code))
        for chance in (0.13, 0.25, 0.4):
            if rng.random() >= chance:
                break
            at = self._office(rng, at + timedelta(days=rng.uniform(0.5, 6.5)), at)
            other = _route(rng, self.catalog, case.region_code, case.topic, case.address.place)
            if other.code == body.code:
                block = case.topic.block_code if case.topic else "HCS"
                near = "HCS" if block not in BLOCKS or block == "ROADS" else "ROADS"
                other = self.catalog.ministries[case.region_code, near]
            body = other
            events.append(Event(1, "transferred", at, body.code))
        at = self._office(rng, at + timedelta(days=rng.uniform(0.2, 1.6)), at)
        events.append(Event(1, "assigned", at, body.code))
        if rng.random() < 0.015:
            at += timedelta(days=rng.uniform(0.5, 8))
            events.append(Event(1, "withdrawn", at, body.code))
            return
        opened = registered
        for cycle_no in range(1, 4):
            returned = self._cycle(rng, case, cycle_no, opened, at, body)
            if returned is None:
                return
            opened = at = returned
            at = self._office(rng, at + timedelta(days=rng.uniform(0.2, 1.2)), at)
            events.append(Event(cycle_no + 1, "assigned", at, body.code))

    def _cycle(
        self,
        rng: Random,
        case: Case,
        cycle_no: int,
        opened: datetime,
        at: datetime,
        body: Body,
    ) -> datetime | None:
        """One handling up to its end; returns when the applicant sent it back, else None."""
        events = case.events
        rule = self._rule(case, opened)
        days = rule.days
        due = self.terms.nominal(rule, opened.date())
        duration = self._duration(rng, body, opened, days)
        if not case.is_fast_track and rng.random() < 0.07:
            asked = _moment(rng, due - timedelta(days=rng.randint(2, 7)), _OFFICE)
            asked = max(asked, at + timedelta(hours=1))
            shape = rng.random()
            approved = asked + timedelta(hours=rng.uniform(2, 40))
            if shape < 0.18:
                approved = _moment(rng, due + timedelta(days=rng.randint(1, 5)), _OFFICE)
            events.append(Event(cycle_no, "extension_requested", asked, body.code))
            new_due = due + timedelta(days=30)
            events.append(Event(cycle_no, "extension_approved", approved, body.code, new_due))
            at = approved
            if shape > 0.34 or shape < 0.09:
                at = approved + timedelta(hours=rng.uniform(1, 20))
                events.append(Event(cycle_no, "extension_notified", at, body.code))
            duration = max(
                timedelta(days=days) + self._duration(rng, body, opened, 30), at - opened
            )
        answered = self._office(rng, opened + duration, at)
        if rng.random() < 0.08:
            interim = at + (answered - at) * rng.uniform(0.2, 0.7)
            events.append(Event(cycle_no, "interim_reply", interim, body.code))
        events.append(Event(cycle_no, "answered", answered, body.code))
        habit = _habit(self.seed, body.code, _quarter(answered.date()))
        returned: datetime | None = None
        last = answered
        if rng.random() < 0.36:
            base = habit.satisfaction
            weights = (0.9 - base, 0.5 - base / 2, 0.35, 0.2 + base / 2, 0.1 + base)
            rating = rng.choices((1, 2, 3, 4, 5), weights=weights)[0]
            last = answered + timedelta(days=rng.uniform(0.05, 6))
            events.append(Event(cycle_no, "rated", last, body.code, rating=rating))
            if rating <= 2 and rng.random() < 0.38 and cycle_no < 3:
                returned = last + timedelta(hours=rng.uniform(0.1, 60))
        elif rng.random() < 0.02 and cycle_no < 3:
            returned = answered + timedelta(days=rng.uniform(1, 20))
        if returned is not None:
            events.append(Event(cycle_no + 1, "reopened", returned, body.code))
            return returned
        events.append(
            Event(cycle_no, "closed", last + timedelta(days=rng.uniform(1, 9)), body.code)
        )
        return None

    def _live_municipal(self, rng: Random, case: Case) -> None:
        """Registers and 311: the source plans the date itself and moves nothing."""
        days = rng.choice((5, 7, 10)) if case.is_fast_track else rng.choice((15, 20, 30, 30))
        due: datetime | None = case.received_at + timedelta(days=days)
        if case.source_code == "municipal_register":
            case.received_at = case.received_at.replace(second=0)
            due = datetime.combine(case.received_at.date() + timedelta(days=days), time(18, 0))
        elif rng.random() < 0.04:
            due = None
        body = case.body
        case.events.append(
            Event(1, "received", case.received_at, body.code, due.date() if due else None)
        )
        if rng.random() < 0.02 and case.source_code == "municipal_register":
            gone = (case.received_at + timedelta(days=rng.uniform(0.5, 6))).replace(second=0)
            case.events.append(Event(1, rng.choice(("withdrawn", "rejected")), gone, body.code))
        else:
            duration = self._duration(rng, body, case.received_at, days)
            answered = self._office(rng, case.received_at + duration, case.received_at)
            if case.source_code == "municipal_register":
                answered = answered.replace(second=0)
            case.events.append(Event(1, "answered", answered, body.code))
        case.cycles.append(Cycle(1, case.received_at, due, due, None, False, body.code, "open"))

    # -- what holds at as_of -----------------------------------------------------------------

    def _settle(self, rng: Random, case: Case) -> None:
        """Folds the events that have happened into cycles, status, rating and verdict."""
        kinds = {event.event for event in case.events}
        case.outcome = next((kind for kind in ("withdrawn", "rejected") if kind in kinds), "open")
        # Drawn before any branch, so that later steps see the same stream whatever happened yet.
        flip, empty, raised_draw = rng.random(), rng.random(), rng.random()
        reply_seed, phone = rng.randrange(10**9), f"+7{4000000000 + rng.randrange(10**9)}"
        answer_draws = [rng.random() for _ in range(3)]
        case.staff = (
            _staff_name(self.seed, case.body.code, rng.randrange(4)),
            _staff_name(self.seed, case.body.code, 4 + rng.randrange(4)),
            _staff_name(self.seed, case.body.code, 8),
        )
        case.questions_raised = 1 if raised_draw < 0.62 else (2 if raised_draw < 0.9 else 3)
        if case.source_code == "pos":
            case.cycles = self._pos_cycles(case)
        holder = next(
            (event.body_code for event in reversed(case.events) if event.event != "received"), None
        )
        if holder is not None:
            case.body = self.catalog.bodies[holder]
        for event in case.events:
            if event.event == "rated":
                case.rating = event.rating
        for cycle in case.cycles:
            end = next(
                (
                    event.at
                    for event in case.events
                    if event.cycle_no == cycle.cycle_no
                    and event.event in ("answered", "withdrawn", "rejected")
                ),
                None,
            )
            cycle.closed_at = end
            cycle.deadline_status = self._status(case, cycle)
        last = case.cycles[-1]
        if case.outcome == "open" and last.closed_at is not None:
            case.outcome = "answered"
        answers = [event for event in case.events if event.event == "answered"]
        if answers:
            habit = _habit(self.seed, answers[-1].body_code, _quarter(answers[-1].at.date()))
            case.questions_answered = sum(
                draw < habit.completeness for draw in answer_draws[: case.questions_raised]
            )
            case.reply_text = compose_reply(
                Random(reply_seed), day=answers[-1].at.date(), phone=phone
            )
        case.changed_at = case.events[-1].at if case.events else case.received_at
        is_late = self._late_by_source(case, last)
        if flip < VERDICT_MISMATCH:
            is_late = not is_late
        if case.source_code == "pos":
            case.source_verdict = "Да" if is_late else "Нет"
        elif case.source_code == "municipal_register":
            unknown = (
                last.due_at is None or (last.closed_at is None and not is_late) or empty < 0.004
            )
            case.source_verdict = "" if unknown else ("Нет" if is_late else "Да")

    def _rule(self, case: Case, opened: datetime) -> Rule:
        return self.terms.rule(
            regime="fz59" if case.is_59fz else "message",
            is_fast_track=case.is_fast_track,
            start=opened.date(),
        )

    def _pos_cycles(self, case: Case) -> list[Cycle]:
        cycles: list[Cycle] = []
        # What came within the last minutes is not registered yet.
        is_registered = any(event.event == "registered" for event in case.events)
        opening = ("registered" if is_registered else "received", "reopened")
        for event in case.events:
            if event.event in opening:
                rule = self._rule(case, event.at)
                planned = self.terms.nominal(rule, event.at.date())
                due = self.terms.due(rule, event.at.date())
                cycles.append(
                    Cycle(
                        event.cycle_no,
                        event.at,
                        _end_of(due),
                        _end_of(planned),
                        None,
                        False,
                        event.body_code,
                        "open",
                    )
                )
        for cycle in cycles:
            own = [event for event in case.events if event.cycle_no == cycle.cycle_no]
            original = cycle.due_at
            approved = next((event for event in own if event.event == "extension_approved"), None)
            notified = next((event for event in own if event.event == "extension_notified"), None)
            if approved is not None and approved.new_due is not None and original is not None:
                cycle.source_due_at = _end_of(approved.new_due)
                # 59-ФЗ ст. 12 ч. 2 and DOMAIN.md 5.1: approved and notified before the first term.
                if approved.at <= original and notified is not None and notified.at <= original:
                    cycle.due_at = max(original, _end_of(approved.new_due))
                    cycle.is_extended = True
            limit = cycle.due_at or self.now
            for event in own:
                if event.event in ("routed", "transferred", "assigned") and event.at <= limit:
                    cycle.body_code = event.body_code
        return cycles

    def _status(self, case: Case, cycle: Cycle) -> str:
        if cycle.due_at is None:
            return "undefined"
        told = {"pos": ("withdrawn", "rejected"), "municipal_register": ("withdrawn",)}
        if case.outcome in told.get(case.source_code, ()):
            # DOMAIN.md 5.1: what was withdrawn or rejected has no term to keep.
            return "undefined"
        by_day = case.source_code == "pos"
        if cycle.closed_at is not None:
            closed, due = cycle.closed_at, cycle.due_at
            is_late = closed.date() > due.date() if by_day else closed > due
            return "late" if is_late else "on_time"
        return "overdue_open" if cycle.due_at < self.now else "open"

    def _late_by_source(self, case: Case, cycle: Cycle) -> bool:
        """The source compares with its own planned date, extended or not by right."""
        if cycle.source_due_at is None:
            return False
        end = cycle.closed_at or self.now
        if case.source_code == "pos":
            return end.date() > cycle.source_due_at.date()
        return end > cycle.source_due_at

    # -- copies of a case in other channels --------------------------------------------------

    def _copies(self, case: Case, day: date, ordinal: int) -> None:
        rng = Random(f"{self.seed}|copy|{case.native_id}")
        draw = rng.random()
        if case.source_code == "pos" and draw < 0.035:
            target = "municipal_register"
        elif draw < 0.06:
            others = [source for source in SOURCE_SHARES if source not in ("pos", case.source_code)]
            target = rng.choice(others)
            if target == "open311" and not (case.topic and case.topic.service_code):
                target = next(source for source in others if source != "open311")
        else:
            return
        by_number = case.source_code == "pos" and draw < 0.035
        lag = rng.randint(0, 3)
        received = _moment(rng, day + timedelta(days=lag), _EVENINGS)
        received = max(received, case.received_at + timedelta(minutes=rng.randint(20, 300)))
        if received > self.now:
            return
        if not by_number and len(normalised(case.text)) < 60:
            return
        place = case.address.place
        if target != "vk" and place.code not in self.catalog.administrations:
            body = self.catalog.administrations[self.chooser.city_places[0].code]
        else:
            body = self.catalog.administrations.get(place.code, case.body)
        copy_ordinal = 50000 + ordinal * 8 + lag
        text = case.text
        if by_number and rng.random() < 0.5:
            # A clerk retells the message; the number alone ties the two together.
            text = self._unique_text(
                rng, case.topic or self.chooser.topics[0], case.address, case.person, day, "plain"
            )
        elif rng.random() < 0.5:
            text = text.replace("!", ".").replace(",", " ,")
        if target == "municipal_register":
            # The register is kept in cp1251, which has no pictures.
            text = text.encode("cp1251", errors="ignore").decode("cp1251").strip()
        copy = Case(
            region_code=case.region_code,
            source_code=target,
            native_id=self._number(target, received.date(), copy_ordinal),
            kind={"open311": "request", "vk": "post"}.get(target, "appeal"),
            received_at=received,
            topic=case.topic,
            body=body,
            address=case.address,
            applicant_id=case.applicant_id,
            person=case.person,
            text=text,
            served_on=received.date(),
            received_body=body,
            duplicate_of=(case.source_code, case.native_id),
            external_number=case.native_id if by_number else None,
        )
        if target == "vk":
            self._put_on_wall(copy, copy_ordinal, rng)
        else:
            self._live(rng, copy)
        self.cases.append(copy)

    # -- VK ----------------------------------------------------------------------------------

    def _put_on_wall(self, case: Case, ordinal: int, rng: Random) -> None:
        community = [wall for wall in self.region.walls if not wall.is_body]
        wall = rng.choice(community)
        case.wall_id = wall.owner_id
        case.post_id = (case.received_at.date() - EPOCH).days * 100000 + ordinal
        case.native_id = f"{case.wall_id}_{case.post_id}"
        case.changed_at = case.received_at

    def _vk(
        self,
        rng: Random,
        day: date,
        ordinal: int,
        received: datetime,
        topic: Topic,
        address: Address,
        person: Person,
        number: int,
    ) -> None:
        # People comment for twelve days, so that a look-back of two weeks sees every comment.
        host = host_post_day(day)
        fresh = host >= self.first and (day - host).days < COMMENT_DAYS
        is_comment = rng.random() < 0.6 and fresh
        chatter = rng.random() < 0.12
        while True:
            text = (
                compose_chatter(rng, address=address, person=person, day=day)
                if chatter
                else compose_complaint(
                    rng,
                    topic=topic,
                    address=address,
                    person=person,
                    day=day,
                    manner="chat" if is_comment or rng.random() < 0.75 else "plain",
                )
            )
            if self._is_new(text):
                break
        case = Case(
            region_code=self.region.code,
            source_code="vk",
            native_id="",
            kind="comment" if is_comment else "post",
            received_at=received,
            topic=None if chatter else topic,
            body=self.catalog.administrations.get(
                address.place.code, self.catalog.ministries[self.region.code, "HCS"]
            ),
            address=address,
            applicant_id=f"{self.region.code}-{number}",
            person=person,
            text=text,
            served_on=day,
        )
        if not is_comment:
            self._put_on_wall(case, ordinal, rng)
            self.cases.append(case)
            if not chatter:
                self._copies(case, day, ordinal)
            return
        wall = self.region.walls[0]
        case.wall_id = wall.owner_id
        case.parent_id = (host - EPOCH).days * 100000 + 99999
        case.post_id = (day - EPOCH).days * 100000 + 70000 + ordinal
        case.native_id = f"{case.wall_id}_{case.post_id}"
        case.changed_at = received
        if received <= datetime.combine(host, time(9, 0)):
            case.received_at = received = datetime.combine(host, time(9, 30)) + timedelta(
                minutes=rng.randint(0, 200)
            )
            if received > self.now:
                return
        if rng.random() < 0.01:
            case.is_deleted = True
            case.text = ""
        self.cases.append(case)
        if rng.random() < 0.3 and not case.is_deleted:
            self._answer_on_wall(rng, case)

    def _answer_on_wall(self, rng: Random, case: Case) -> None:
        """The body answers a comment in its thread: no case."""
        at = case.received_at + timedelta(minutes=rng.randint(30, 2400))
        if at > self.now:
            return
        reply = Case(
            region_code=case.region_code,
            source_code="vk",
            native_id=f"{case.wall_id}_{case.post_id + 20000}",
            kind="comment",
            received_at=at,
            topic=None,
            body=case.body,
            address=case.address,
            applicant_id="",
            person=case.person,
            text=compose_reply(rng, day=at.date(), phone=f"+7{4000000000 + rng.randrange(10**9)}"),
            served_on=at.date(),
            is_case=False,
            wall_id=case.wall_id,
            post_id=case.post_id + 20000,
            parent_id=case.parent_id,
            thread_of=case.post_id,
            changed_at=at,
        )
        self.cases.append(reply)

    def announcements(self, first: date, last: date) -> None:
        """The authority's own posts: one a week, and one every 24 days that people comment on."""
        wall = self.region.walls[0]
        day = first
        while day <= last:
            index = (day - EPOCH).days
            is_host = host_post_day(day) == day
            at = datetime.combine(day, time(9, 0))
            if (is_host or day.weekday() == 2) and at <= self.now:
                rng = Random(f"{self.seed}|{self.region.code}|announce|{day.isoformat()}")
                post_id = index * 100000 + (99999 if is_host else 99998)
                place = self.chooser.places[0]
                self.cases.append(
                    Case(
                        region_code=self.region.code,
                        source_code="vk",
                        native_id=f"{wall.owner_id}_{post_id}",
                        kind="post",
                        received_at=at,
                        topic=None,
                        body=self.catalog.ministries[self.region.code, "HCS"],
                        address=self._address(rng, place),
                        applicant_id="",
                        person=invent_person(rng),
                        text=compose_announcement(rng, day=day),
                        served_on=day,
                        is_case=False,
                        wall_id=wall.owner_id,
                        post_id=post_id,
                        changed_at=at,
                    )
                )
            day += timedelta(days=1)

    # -- rows that no loader may accept ------------------------------------------------------

    def _bad_rows(self, day: date) -> None:
        """A few broken rows a year, each with its reason; they are no part of any mart."""
        index = (day - EPOCH).days
        kinds = {
            20: ("pos", "impossible_date"),
            95: ("pos", "wrong_rating"),
            170: ("pos", "empty_number"),
            45: ("municipal_register", "empty_number"),
            120: ("municipal_register", "impossible_date"),
            195: ("municipal_register", "year_3020"),
            70: ("open311", "empty_number"),
            145: ("open311", "impossible_date"),
        }
        found = kinds.get((index + int(self.region.oktmo)) % 220)
        if found is None:
            return
        source, reason = found
        rng = Random(f"{self.seed}|{self.region.code}|bad|{day.isoformat()}")
        topic = self.chooser.topic(rng, source, day)
        address = self._address(rng, self.chooser.place(rng, municipal=source != "pos"))
        person = invent_person(rng)
        received = _moment(rng, day, _OFFICE)
        if received > self.now:
            return
        body = (
            _route(rng, self.catalog, self.region.code, topic, address.place)
            if source == "pos"
            else self.catalog.administrations[address.place.code]
        )
        case = Case(
            region_code=self.region.code,
            source_code=source,
            native_id=self._number(source, day, 99990),
            kind="request" if source == "open311" else "appeal",
            received_at=received,
            topic=topic,
            body=body,
            address=address,
            applicant_id=f"{self.region.code}-bad-{index}",
            person=person,
            text=self._unique_text(rng, topic, address, person, day, "plain"),
            served_on=day,
            received_body=body,
            is_case=False,
            bad_reason=reason,
        )
        self._live(rng, case)
        if reason == "empty_number":
            case.native_id = ""
        self.cases.append(case)


def host_post_day(day: date) -> date:
    """The day of the authority's post that comments of a day go under: every 24th day."""
    index = (day - EPOCH).days
    return EPOCH + timedelta(days=index - index % 24)


def _rosters(
    seed: int, region: Region, first: date, now: datetime, weekly: float
) -> Iterator[RosterRow]:
    """Weeks × blocks × staff; one person is shared between two blocks by declared shares.

    In Pskov nobody declares how a person's time is divided.
    """
    shares = {
        "HEALTH": 0.15,
        "EDU": 0.10,
        "SOC": 0.10,
        "HCS": 0.31,
        "WASTE": 0.11,
        "ROADS": 0.15,
        "TRANSPORT": 0.08,
        "ENERGY": 0.08,
    }
    blocks = [block for block in BLOCKS if (region.code, block) not in NO_ROSTER]
    plan: dict[str, tuple[int, float]] = {}
    for block in blocks:
        rng = Random(f"{seed}|{region.code}|roster|{block}")
        # About two hours of work a case over 85 % of the rostered time, at a load of 60-125 %.
        hours = weekly * shares[block] * 2.0 / 0.85 / rng.uniform(0.6, 1.25)
        people = max(1, math.ceil(hours / 36))
        plan[block] = (people, max(4.0, hours / people))
    week = first - timedelta(days=first.weekday())
    shared = ("ROADS", "TRANSPORT")
    while week <= now.date():
        working = sum(
            1
            for offset in range(5)
            if ((week + timedelta(days=offset)).month, (week + timedelta(days=offset)).day)
            not in _HOLIDAYS
        )
        ordinal = 0
        index = (week - EPOCH).days // 7
        for block in blocks:
            people, hours = plan[block]
            for number in range(people):
                ordinal += 1
                rng = Random(f"{seed}|{region.code}|{block}|{number}|{week.isoformat()}")
                staff_block = shared[0] if block == shared[1] and number == 0 else block
                staff = invent_person(Random(f"{seed}|{region.code}|duty|{staff_block}|{number}"))
                is_shared = block in shared and number == 0
                share: float | None = 1.0
                if region.code == "pskov":
                    share = None
                elif is_shared:
                    share = 0.6 if block == shared[0] else 0.4
                base = hours
                if is_shared:
                    # One person, one number of hours in both rows; the shares split it.
                    base = max(plan[shared[0]][1], plan[shared[1]][1])
                    rng = Random(f"{seed}|{region.code}|shared|{week.isoformat()}")
                worked = round(base * working / 5 * rng.choice((1, 1, 1, 1, 0.8, 1.1)), 1)
                if worked > 0:
                    yield RosterRow(
                        f"{region.oktmo}-{index}-{ordinal:03d}",
                        region.code,
                        week,
                        block,
                        staff.full_name,
                        worked,
                        share,
                    )
        week += timedelta(days=7)


def _checked_replies(seed: int, cases: list[Case]) -> list[CheckedReply]:
    """A body's first thirty answers of a quarter and a fifth of the rest (DOMAIN.md 5.3)."""
    answers: list[tuple[datetime, str, str, str]] = []
    for case in cases:
        if not case.is_case or case.is_bad or case.duplicate_of is not None or not case.native_id:
            continue
        for event in case.events:
            if event.event == "answered":
                answers.append((event.at, case.region_code, event.body_code, case.native_id))
    answers.sort()
    seen: dict[tuple[str, int], int] = defaultdict(int)
    answers_of_case: dict[tuple[str, str], int] = defaultdict(int)
    replies: list[CheckedReply] = []
    for at, region_code, body_code, native_id in answers:
        key = (body_code, _quarter(at.date()))
        seen[key] += 1
        answers_of_case[region_code, native_id] += 1
        rng = Random(f"{seed}|check|{native_id}|{at.isoformat()}")
        if seen[key] > 30 and rng.random() >= 0.2:
            continue
        habit = _habit(seed, body_code, key[1])
        replies.append(
            CheckedReply(
                f"{REGIONS[region_code].oktmo}-{native_id}"
                f"-{answers_of_case[region_code, native_id]}",
                region_code,
                native_id,
                body_code,
                at.date(),
                rng.random() < habit.pass_share,
            )
        )
    return replies


def build_world(*, seed: int, as_of: datetime, cases: int) -> World:
    """Generates about ``cases`` records of the case sources over 24 months up to ``as_of``.

    ``as_of`` must carry an offset; nothing later than it is in the world.
    """
    if as_of.tzinfo is None:
        raise ValueError("as_of carries no offset: write it as 2026-11-21T06:00:00+03:00")
    catalog = load_catalog()
    everything: list[Case] = []
    rosters: list[RosterRow] = []
    populations: list[Population] = []
    first_days: dict[str, date] = {}
    nows: dict[str, datetime] = {}
    for region in REGIONS.values():
        now = as_of.astimezone(region.zone).replace(tzinfo=None)
        first = now.date() - timedelta(days=DAYS)
        nows[region.code] = now
        first_days[region.code] = first
        maker = _RegionMaker(seed, catalog, region, cases, now, first)
        day = first
        while day <= now.date():
            maker.day(day)
            day += timedelta(days=1)
        maker.announcements(first, now.date())
        maker.cases.sort(key=lambda case: (case.received_at, case.source_code, case.native_id))
        everything.extend(maker.cases)
        weekly = cases * region.share / DAYS * 7
        rosters.extend(_rosters(seed, region, first, now, weekly))
        for place in catalog.places[region.code]:
            change = Random(f"{seed}|population|{place.code}").uniform(-0.012, 0.006)
            for year in range(first.year, now.year + 1):
                populations.append(
                    Population(
                        f"{place.code}-{year}",
                        region.code,
                        place.code,
                        place.name,
                        year,
                        round(place.population * (1 + change) ** (year - 2024)),
                    )
                )
    checked = _checked_replies(seed, everything)
    return World(seed, as_of, catalog, first_days, nows, everything, rosters, checked, populations)
