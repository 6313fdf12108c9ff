"""Synthetic cases straight into `raw`, by SQL on the server: a warehouse of any size in minutes.

Five regions, 24 months, the sources of the sandbox with its topics, bodies, places and texts.
Rows are those that the loader would write: keys, hashes, canonical records, a load a day, source
and region. `NOTE` says where the proportions differ from the sandbox's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from random import Random
from typing import Any

import psycopg
from psycopg import sql

from ingestion.ledger import expect_loads
from ingestion.loader import prepare_sources
from ingestion.sandbox.catalog import BLOCKS, Catalog, Place, Topic, load_catalog
from ingestion.sandbox.people import invent_person
from ingestion.sandbox.regions import REGIONS
from ingestion.sandbox.tables import BLOCK_LABELS
from ingestion.sandbox.terms import load_terms
from ingestion.sandbox.texts import (
    STREETS,
    Address,
    compose_complaint,
    compose_reply,
)
from ingestion.source import load_sources
from nlp.model import MODEL_VERSION
from nlp.tables import ensure as ensure_nlp
from nlp.tables import register_model
from stack.bench import case_changes, case_plan, case_rows
from stack.database import Warehouse
from stack.settings import REPOSITORY

SPAN_DAYS = 730
NEW_SHARE = 0.003
CHANGED_SHARE = 0.002
RECENT_SHARE = 0.9
NOTE = (
    "Messages of ПОС are 70 % of the cases, not 55 %, because only they have a history and 4.6 of "
    "its events come on each case; each tenth case is of the register, of Open311 and of VK."
)
_TEXTS_A_TOPIC = 24
_REPLIES = 400
_PARALLEL = 2
_SLOTS = 1000
# The sandbox's world, in which all the sources of this module are enabled.
_ENVIRONMENT = {
    "TSUR_SANDBOX_URL": "http://127.0.0.1:9",
    "TSUR_POS_TOKEN": "none",
    "TSUR_VK_TOKEN": "none",
}
_LOADS = """
insert into ops.loads (
    run_id, source_code, entity, region_code, window_from, window_to, started_at, finished_at,
    observed_at, is_stale, absence, outcome
)
select
    'bench-' || to_char(started_at, 'YYYY-MM-DD'), source_code, entity, region_code,
    case when lookback is not null
        then (midnight - interval '1 day' * lookback) at time zone time_zone end,
    case when lookback is not null
        then (midnight + interval '1 day') at time zone time_zone end,
    started_at, started_at + interval '20 seconds', started_at, false, absence, 'success'
from bench.entities
cross join generate_series(%(newest)s::int, %(oldest)s::int) as day_no
cross join lateral (
    select %(known_at)s::timestamptz - interval '1 day' * day_no as started_at
) as s
inner join bench.regions using (region_code)
cross join lateral (select date_trunc('day', started_at at time zone time_zone) as midnight) as m
order by started_at, source_code, entity, region_code
"""
_BATCH_LOADS = """
create table bench.loads as
select
    load_id, source_code, entity, region_code, started_at,
    round(extract(epoch from %(known_at)s::timestamptz - started_at) / 86400)::int as day_no
from ops.loads
where load_id > %(before)s
"""
_COUNTS = """
update ops.loads set rows_read = told.rows, rows_landed = told.rows
from (select load_id, count(*) as rows from raw.{table} where load_id > {before} group by load_id)
    as told
where loads.load_id = told.load_id
"""
_ENRICH = """
insert into nlp.enrichments (
    text_hash, model_version, masked_text, lemmas, organisations, places, municipality_codes,
    block_code, block_probability, entities
)
select
    encode(sha256(convert_to(content, 'UTF8')), 'hex'), %(version)s, content,
    string_to_array(regexp_replace(lower(content), '[^а-яё ]', '', 'g'), ' '), '{}',
    case when place_code is null then '{}' else array[place_code] end,
    case when place_code is not null and draw < 0.5 then array[place_code] else '{}' end,
    case when draw < 0.92 then coalesce(block_code, 'OTHER') else 'unknown' end,
    round((0.55 + 0.44 * draw)::numeric, 4), '{}'
from bench.written
cross join lateral (select bench.chance(hashtextextended(content, 0), 91) as draw) as d
on conflict do nothing
"""
_SIGNAL = """
insert into nlp.text_signals (
    text_hash, model_version, normalised_text_hash, has_court, has_prosecutor, has_president
)
select
    encode(sha256(convert_to(content, 'UTF8')), 'hex'), %(version)s,
    case when length(letters) >= 40
        then encode(sha256(convert_to(letters, 'UTF8')), 'hex') end,
    draw < 0.01, draw between 0.005 and 0.03, draw > 0.995
from bench.written
cross join lateral (
    select
        regexp_replace(replace(lower(content), 'ё', 'е'), '[^[:alnum:]]+', '', 'g') as letters,
        bench.chance(hashtextextended(content, 0), 92) as draw
) as d
on conflict do nothing
"""
# One template, one skeleton.
_SIGNAL_REPLIES = """
insert into nlp.reply_signals (reply_hash, model_version, skeleton_hash)
select
    encode(sha256(convert_to(content, 'UTF8')), 'hex'), %(version)s,
    encode(sha256(convert_to(split_part(content, ' № ', 1), 'UTF8')), 'hex')
from bench.replied
on conflict do nothing
"""
# What cases say, and what else stands on walls: announcements, answers, edited posts.
_WRITTEN = """
create table bench.written as
select text as content, block_code, place_code from bench.lives
union all
select record ->> 'text', null, null from raw.vk_posts where load_id > %(before)s
union all
select record ->> 'text', null, null from raw.vk_comments where load_id > %(before)s
"""
_REPLIED = """
create table bench.replied as
select distinct record ->> 'reply_text' as content from raw.pos_cards
where load_id > %(before)s and record ? 'reply_text'
union
select record ->> 'reply_text' from raw.open311_requests
where load_id > %(before)s and record ? 'reply_text'
"""


@dataclass(frozen=True)
class Batch:
    """What one call of the generator made; `events` are rows of the history of these cases."""

    cases: int
    events: int
    changed: int
    recent: int
    as_of: datetime


@dataclass(frozen=True)
class _Entity:
    source_code: str
    name: str
    lookback_days: int | None
    absence: str | None


class CaseGenerator:
    """Fills the `raw`, `ops` and `nlp` of a prepared warehouse, one batch after the other.

    `cases` is rounded down to whole blocks; `as_of` is the moment of the newest load of the first
    batch. Order: `prepare`, `history`, then `day` and `double` in any order.
    """

    def __init__(
        self,
        warehouse: Warehouse,
        cases: int,
        as_of: datetime,
        told: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.cases = max(cases - cases % case_plan.BLOCK, case_plan.BLOCK)
        self.as_of = as_of
        self._warehouse = warehouse
        self._told = told
        self._first_as_of = as_of
        self._days = 0
        self._halves = 0

    # --- what is called -------------------------------------------------------------------------

    def prepare(self) -> None:
        """Tables of every source and of enrichment, and what cases are made of."""
        sources = load_sources(REPOSITORY / "ingestion" / "sources", _ENVIRONMENT)
        prepare_sources(self._warehouse.url("loader"), list(sources.values()))
        with psycopg.connect(self._warehouse.url("loader")) as connection:
            expect_loads(connection, sources.values())
        with psycopg.connect(self._warehouse.url("transformer")) as connection:
            ensure_nlp(connection)
            register_model(connection, MODEL_VERSION, {})
        entities = [
            _Entity(
                source.code,
                entity.name,
                source.window.lookback_days if source.window else None,
                {"complete": "complete", "window": "window"}.get(str(entity.listing)),
            )
            for source in sources.values()
            if source.is_enabled
            for entity in source.entities.values()
        ]
        with psycopg.connect(self._warehouse.url("owner")) as connection:
            connection.execute(case_plan.SCHEMA)
            connection.execute(
                "create table bench.entities (source_code text, entity text, lookback int,"
                " absence text, region_code text)"
            )
            for table, rows in _dimensions(self.as_of, entities).items():
                _copy(connection, table, rows)
            connection.execute("grant usage on schema bench to tsur_transformer")
            connection.execute(
                "alter default privileges in schema bench grant select on tables"
                " to tsur_transformer"
            )
            connection.execute("analyze")

    def history(self) -> Batch:
        """The 24 months up to `as_of`."""
        return self._history()

    def double(self) -> Batch:
        """As many cases again, of the 24 months before: the same intake over twice the time."""
        return self._history()

    def day(self) -> Batch:
        """One day later: 0.3 % new cases, 0.2 % changed ones, 90 % of these of late."""
        self._days += 1
        self.as_of += timedelta(days=1)
        before = self._begin(newest=0, oldest=0)
        changed, recent = self._change()
        first = 2_000_000_000 + self._days * 10_000_000
        made = round(self.cases * NEW_SHARE)
        self._plan(first, made, self.as_of, 1.0, shift=first)
        self._land(case_rows.CASES, newest=0, oldest=0)
        self._land(case_rows.BESIDE_CASES, newest=0, oldest=0)
        events = self._end(before)
        return Batch(made, events, changed, recent, self.as_of)

    # --- steps ----------------------------------------------------------------------------------

    def _history(self) -> Batch:
        half, self._halves = self._halves, self._halves + 1
        newest = half * SPAN_DAYS + (self._days if half else 0)
        oldest = (half + 1) * SPAN_DAYS + self._days - 1
        ends_at = self._first_as_of - timedelta(days=half * SPAN_DAYS)
        before = self._begin(newest, oldest)
        self._plan(half * self.cases, self.cases, ends_at, SPAN_DAYS, shift=0)
        promised = round(self.cases * case_plan.EVENTS_PER_CASE)
        so_far = self._number(case_plan.HISTORY_SO_FAR)
        self._execute("drop view bench.lives; drop table bench.interim")
        self._execute(case_plan.INTERIM, missing=max(promised - so_far, 0))
        self._execute(case_plan.LIVES)
        parameters: dict[str, Any] = {
            "newest": newest,
            "oldest": oldest,
            "begins_at": ends_at - timedelta(days=SPAN_DAYS),
            "ends_at": ends_at,
            "is_older": half > 0,
            "a_week": self.cases / SPAN_DAYS * 7,
        }
        with self._without_indexes():
            self._land(case_rows.CASES, is_first=True, **parameters)
            self._land(
                (*case_rows.CASES, *case_rows.BESIDE_CASES, *case_rows.REGISTERS), **parameters
            )
        events = self._end(before)
        if events != promised:
            raise RuntimeError(f"{events} events were made, {promised} were promised")
        return Batch(self.cases, events, 0, 0, self.as_of)

    def _begin(self, newest: int, oldest: int) -> int:
        """Opens the loads of a batch; the number of the last load before them."""
        before = self._number("select coalesce(max(load_id), 0) from ops.loads")
        self._execute(_LOADS, newest=newest, oldest=oldest, known_at=self.as_of)
        self._execute("drop table if exists bench.loads")
        self._execute(_BATCH_LOADS, known_at=self.as_of, before=before)
        self._execute(
            "alter table bench.loads add primary key (source_code, entity, region_code, day_no)"
        )
        self._execute("analyze bench.loads")
        return before

    def _plan(self, first: int, count: int, ends_at: datetime, span: float, *, shift: int) -> None:
        """`shift` leads from numbers of a day to those of the history that it goes back to."""
        terms = load_terms()
        day = self._first_as_of.date()
        self._execute("drop table if exists bench.plan cascade; drop table if exists bench.interim")
        self._execute(
            case_plan.PLAN,
            first=first,
            count=count,
            sources=list(case_plan.SOURCES),
            known_at=self.as_of,
            ends_at=ends_at,
            span=float(span),
            people=self.cases * 0.55,
            a_day=self.cases / SPAN_DAYS,
            shift=shift,
            streets=len(STREETS),
            texts=_TEXTS_A_TOPIC,
            replies=_REPLIES,
            fast_days=terms.rule(regime="message", is_fast_track=True, start=day).days,
            law_days=terms.rule(regime="fz59", is_fast_track=False, start=day).days,
            message_days=terms.rule(regime="message", is_fast_track=False, start=day).days,
        )
        self._execute(case_plan.INTERIM, missing=0)
        self._execute(case_plan.LIVES)
        made = self._number("select count(*) from bench.plan")
        if made != count:
            raise RuntimeError(f"{made} cases were planned, {count} were promised")

    def _land(
        self, entities: Sequence[case_rows.Rows], *, is_first: bool = False, **parameters: Any
    ) -> None:
        statements = [
            case_rows.insert(rows, is_first=is_first)
            for rows in entities
            if not is_first or rows.first_where is not None
        ]
        known = {"known_at": self.as_of, **parameters}
        with ThreadPoolExecutor(_PARALLEL) as pool:
            for _ in pool.map(lambda one: self._execute(one, **known), statements):
                pass

    @contextmanager
    def _without_indexes(self) -> Iterator[None]:
        """Indexes of `raw` are made when the rows are there: sooner done, and better packed."""
        with psycopg.connect(self._warehouse.url("owner")) as connection:
            dropped = connection.execute(
                """
                select indexrelid::regclass::text, pg_get_indexdef(indexrelid)
                from pg_index
                inner join pg_class on indrelid = pg_class.oid
                where relnamespace = 'raw'::regnamespace and not indisprimary
                """
            ).fetchall()
            for name, _ in dropped:
                connection.execute(f"drop index {name}")
        yield
        with ThreadPoolExecutor(_PARALLEL) as pool:
            for _ in pool.map(self._execute, [definition for _, definition in dropped]):
                pass

    def _change(self) -> tuple[int, int]:
        """New versions of 0.2 % of the cases: how many, and how many of them of late."""
        changed = round(self.cases * CHANGED_SHARE)
        done = recent = 0
        for table, share in zip(case_changes.TABLES, (0.7, 0.8, 0.9, 0.95, 1.0), strict=True):
            upto = round(changed * share)
            recent_upto = round(upto * RECENT_SHARE)
            self._execute(f"drop table if exists bench.chosen_{table}")
            self._execute(
                case_changes.CHOOSE.format(table=table),
                known_at=self.as_of,
                day=self._days,
                recent=recent_upto - recent,
                older=upto - done - (recent_upto - recent),
            )
            done, recent = upto, recent_upto
        for statement in case_changes.CHANGES:
            self._execute(statement, day=self._days)
        found = sum(
            self._number(f"select count(*) from bench.chosen_{table}")  # noqa: S608 - our own name
            for table in case_changes.TABLES
        )
        return found, recent

    def _end(self, before: int) -> int:
        """Enriches what is new and says in the ledger what landed; the events of the batch."""
        self._execute("drop table if exists bench.written, bench.replied")
        self._execute(_WRITTEN, before=before)
        self._execute(_REPLIED, before=before)
        for statement in (_ENRICH, _SIGNAL, _SIGNAL_REPLIES):
            self._execute(statement, role="transformer", version=MODEL_VERSION)
        events = self._number(
            "select count(*) from raw.pos_history where load_id > %(before)s", before=before
        )
        for table in {rows.table for rows in (*case_rows.CASES, *case_rows.BESIDE_CASES,
                                              *case_rows.REGISTERS)}:  # fmt: skip
            self._execute(_COUNTS.format(table=table, before=before))
            self._settle(f"raw.{table}")
        self._settle("nlp.enrichments", "transformer")
        self._settle("nlp.text_signals", "transformer")
        self._settle("nlp.reply_signals", "transformer")
        self._settle("ops.loads")
        self._execute(
            "drop table bench.written, bench.replied; drop table bench.plan cascade;"
            " drop table bench.interim"
        )
        return events

    # --- statements -----------------------------------------------------------------------------

    def _execute(self, statement: str, *, role: str = "owner", **parameters: Any) -> None:
        with psycopg.connect(self._warehouse.url(role)) as connection:
            connection.execute("set work_mem = '64MB'")
            connection.execute("set synchronous_commit = off")
            connection.execute(_filled(statement, parameters))

    def _number(self, statement: str, **parameters: Any) -> int:
        with psycopg.connect(self._warehouse.url("owner")) as connection:
            row = connection.execute(_filled(statement, parameters)).fetchone()
        return int(row[0]) if row else 0

    def _settle(self, table: str, role: str = "owner") -> None:
        """As autovacuum would do it by and by."""
        with psycopg.connect(self._warehouse.url(role), autocommit=True) as connection:
            connection.execute(f"vacuum analyze {table}")


_PARAMETER = re.compile(r"%\((\w+)\)s")


def _filled(statement: str, parameters: dict[str, Any]) -> str:
    """Parameters as literals: the same per cent sign is an operator in these statements."""
    return _PARAMETER.sub(
        lambda found: sql.Literal(parameters[found[1]]).as_string(None), statement
    )


def _copy(connection: psycopg.Connection, table: str, rows: Sequence[Sequence[Any]]) -> None:
    with connection.cursor() as cursor, cursor.copy(f"copy bench.{table} from stdin") as copy:
        for row in rows:
            copy.write_row(row)


# --- what cases are made of ----------------------------------------------------------------------


def _dimensions(as_of: datetime, entities: Sequence[_Entity]) -> dict[str, list[tuple[Any, ...]]]:
    """The small tables of the schema `bench`, from the seeds and the grammar of the sandbox."""
    catalog = load_catalog()
    topics = list(catalog.topics.values())
    rows: dict[str, list[tuple[Any, ...]]] = {
        "regions": [],
        "region_wheel": [],
        "places": [],
        "place_wheel": [],
        "topics": [(*_topic(topic, catalog),) for topic in topics],
        "topic_wheel": [],
        "routes": [],
        "streets": [(number, name) for number, (name, _) in enumerate(STREETS)],
        "texts": _texts(catalog, as_of.date()),
        "replies": [
            (number, compose_reply(Random(f"reply {number}"), day=as_of.date(), phone="+74"))
            for number in range(_REPLIES)
        ],
        "blocks": [(code, BLOCK_LABELS[code], 1 / len(BLOCKS)) for code in BLOCKS],
        "entities": [
            (one.source_code, one.name, one.lookback_days, one.absence, region)
            for one in entities
            for region in REGIONS
        ],
    }
    shares = [region.share for region in REGIONS.values()]
    rows["region_wheel"] = list(enumerate(_wheel(list(REGIONS), shares, 100)))
    for number, region in enumerate(REGIONS.values(), start=1):
        places = catalog.places[region.code]
        cities = [place for place in places if place.code in catalog.administrations]
        main = max(cities, key=lambda place: place.population)
        offset = as_of.astimezone(region.zone).isoformat()[-6:]
        walls = [wall.owner_id for wall in region.walls]
        rows["regions"].append(
            (
                *(number, region.code, region.name, region.oktmo, region.share),
                *(str(region.zone), offset, walls, main.code),
            )
        )
        for is_city, some in ((False, places), (True, cities)):
            weights = [place.population**0.92 for place in some]
            codes = _wheel([place.code for place in some], weights, _SLOTS)
            rows["place_wheel"] += [
                (region.code, is_city, slot, code) for slot, code in enumerate(codes)
            ]
        for place in places:
            administration = catalog.administrations.get(place.code)
            rows["places"].append(
                (
                    *(place.code, region.code, place.name),
                    f"{place.settlement_kind} {place.settlement}",
                    *(place.latitude, place.longitude, place.population),
                    (administration or catalog.ministries[region.code, "HCS"]).name,
                )
            )
            rows["routes"] += [_route(catalog, place, block) for block in BLOCKS]
    for source in ("pos", "municipal_register", "open311", "vk"):
        fitting = [topic for topic in topics if source != "open311" or topic.service_code]
        wheel = _wheel(
            [topic.code for topic in fitting], [topic.weight for topic in fitting], _SLOTS
        )
        rows["topic_wheel"] += [(source, slot, code) for slot, code in enumerate(wheel)]
    return rows


def _wheel(names: Sequence[str], weights: Sequence[float], slots: int) -> list[str]:
    """Each name as often as its weight says."""
    total, reached = sum(weights), 0.0
    result: list[str] = []
    for name, weight in zip(names, weights, strict=True):
        reached += weight
        result += [name] * (round(slots * reached / total) - len(result))
    return result


def _topic(topic: Topic, catalog: Catalog) -> tuple[Any, ...]:
    name, group = catalog.services.get(topic.service_code, (None, None))
    block = topic.block_code if topic.block_code in BLOCKS else None
    return (
        *(topic.code, block, *topic.pos_labels, *topic.register_labels),
        *(topic.service_code or None, name, group, any(topic.is_fast_track.values())),
    )


def _route(catalog: Catalog, place: Place, block: str) -> tuple[Any, ...]:
    """Who answers for a block at a place, in tenths: ministry, administration, institution."""
    ministry = catalog.ministries[place.region_code, block]
    near = catalog.ministries[place.region_code, "HCS" if block == "ROADS" else "ROADS"]
    administration = catalog.administrations.get(place.code, ministry)
    institution = catalog.institutions.get((place.region_code, block))
    bodies = [ministry] * 4 + [administration] * 4 + [institution or ministry] * 2
    return (
        *(place.code, block, [body.name for body in bodies]),
        *(institution.name if institution else None, near.name),
    )


def _texts(catalog: Catalog, day: date) -> list[tuple[str, int, str]]:
    rows = []
    places = [place for some in catalog.places.values() for place in some]
    for topic in catalog.topics.values():
        for number in range(_TEXTS_A_TOPIC):
            rng = Random(f"{topic.code} {number}")
            person = invent_person(rng)
            place = rng.choice(places)
            street, bent = rng.choice(STREETS)
            address = Address(
                place, street, bent, str(rng.randint(1, 90)), 1, place.latitude, place.longitude
            )
            manner = ("letter", "letter", "plain", "chat")[number % 4]
            text = compose_complaint(
                rng, topic=topic, address=address, person=person, day=day, manner=manner
            )
            rows.append((topic.code, number, text))
    return rows
