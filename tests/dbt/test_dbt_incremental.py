"""Two weeks of daily builds give what one whole build gives, row for row, in every mart."""

from __future__ import annotations

import hashlib
import random
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from dbt_runs import Dbt, Query
from psycopg.types.json import Jsonb
from raw_rows import SOURCE_OF_TABLE, RawRows, record_key, text_hash
from test_dbt_reference import land

from ingestion.sandbox.truth import write_truth
from ingestion.sandbox.world import build_world
from stack.database import Warehouse
from tests.reference.marts_reference import Reference

# Three weeks of builds are one fixture: on a busy machine it takes longer than a test may.
pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.timeout(1800)]

DAYS = 14
CASES = 900
AS_OF = datetime.fromisoformat("2026-03-01T06:00:00+03:00")
# The moment stands in the table of regions: with another variable dbt would read the project anew.
NO_MOMENT = ("--vars", "{as_of: {}}")
MODELS = ("--exclude-resource-type", "test", "unit_test", "seed")
BY_CHANGE = ("--select", "config.incremental_strategy:by_change", "int_case_changes")
# What these read and is made as a whole each time.
BETWEEN = ("int_region_clock", "int_case_duplicates", "int_body_names")
CASE_TABLES = {"pos_messages", "municipal_register", "open311_requests", "vk_posts", "vk_comments"}
BLOCKS = ("ZHKH", "DOROGI", "ZDRAV", "unknown")

Row = tuple[Any, ...]


@dataclass
class Deliveries:
    """What the sources hand out on each day, in an order that nobody would choose."""

    days: dict[int, list[Row]] = field(default_factory=lambda: defaultdict(list))

    @classmethod
    def of(cls, rows: list[Row], chance: random.Random) -> Deliveries:
        """Most of a record's story is known on day 0; the rest comes late, shuffled and changed."""
        made = cls()
        for row in rows:
            table, record = row[0], row[6].obj
            day = 0 if chance.random() < 0.7 else chance.randint(1, DAYS)
            if table in CASE_TABLES and chance.random() < 0.2:
                earlier = {**record, "closed_at": None, "is_closed": False, "rating": None}
                if chance.random() < 0.3:
                    earlier["topic"] = "Прочее"
                    earlier["text"] = f"Черновик: {record.get('text') or ''}"
                made.days[0].append(_changed(row, earlier, chance))
                day = max(day, 1)
            made.days[day].append(row)
            if chance.random() < 0.03 and day < DAYS:
                gone = chance.randint(day + 1, DAYS)
                made.days[gone].append(_changed(row, record, chance, is_deleted=True))
                if chance.random() < 0.4 and gone < DAYS:
                    made.days[DAYS].append(_changed(row, record, chance))
        for listed in made.days.values():
            chance.shuffle(listed)
        return made


def _changed(
    row: Row, record: dict[str, Any], chance: random.Random, *, is_deleted: bool = False
) -> Row:
    return (*row[:6], Jsonb(record), chance.randbytes(32), row[8], is_deleted)


class Ledger:
    """Loads as the loader leaves them."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._url = warehouse.url("loader")

    def land(self, rows: list[Row], outcome: str = "success") -> list[int]:
        """One load a table and region; their numbers."""
        by_load: dict[tuple[str, str], list[Row]] = defaultdict(list)
        for row in rows:
            by_load[row[0], row[3]].append(row[1:])
        with psycopg.connect(self._url) as connection:
            return [
                self._load(connection, table, region, some, outcome)
                for (table, region), some in by_load.items()
            ]

    @staticmethod
    def _load(
        connection: psycopg.Connection, table: str, region: str, rows: list[Row], outcome: str
    ) -> int:
        found = connection.execute(
            "insert into ops.loads (run_id, source_code, entity, region_code, finished_at, outcome)"
            " values ('daily', %(source)s, %(table)s, %(region)s,"
            " case when %(outcome)s <> 'running' then now() end, %(outcome)s) returning load_id",
            {
                "source": SOURCE_OF_TABLE[table],
                "table": table,
                "region": region,
                "outcome": outcome,
            },
        ).fetchone()
        assert found is not None
        statement = (
            f"copy raw.{table} (record_key, source_code, region_code, native_id, payload, record,"
            " payload_hash, observed_at, is_deleted, load_id) from stdin"
        )
        with connection.cursor() as cursor, cursor.copy(statement) as copy:
            for row in rows:
                copy.write_row((*row, found[0]))
        return int(found[0])

    def end(self, loads: list[int]) -> None:
        with psycopg.connect(self._url) as connection:
            connection.execute(
                "update ops.loads set outcome = 'success', finished_at = now()"
                " where load_id = any(%s)",
                [loads],
            )

    def withdraw(self, load: int, table: str) -> int:
        """Set the rows of a load aside; how many."""
        with psycopg.connect(self._url) as connection:
            connection.execute(
                "update ops.loads set withdrawn_at = now(), withdrawn_by = 'test',"
                " withdrawn_reason = 'test' where load_id = %s",
                [load],
            )
            found = connection.execute(
                f"select raw.set_aside(%s, %s, array(select raw_id from raw.{table}"
                " where load_id = %s), 'withdrawn')",
                [table, load, load],
            ).fetchone()
        assert found is not None
        return int(found[0])

    def erase(self, table: str, key: Any) -> int:
        """Redact every version of a record, as an erasure does."""
        with psycopg.connect(self._url) as connection:
            erasure = connection.execute(
                "insert into ops.erasures (basis, requested_by, reason)"
                " values ('request', 'test', 'test') returning erasure_id"
            ).fetchone()
            assert erasure is not None
            found = connection.execute(
                f"select ops.redact(%s, %s, array(select raw_id from raw.{table}"
                " where record_key = %s), array['text', 'address', 'reply_text'],"
                " '{}'::jsonb)",
                [erasure[0], table, key],
            ).fetchone()
        assert found is not None
        return int(found[0])


def read_texts(url: str, version: str, share: float) -> None:
    """Some of the texts that wait are read: a block follows from the hash of a text."""
    with psycopg.connect(url) as connection:
        connection.execute("update nlp.models set is_current = model_version = %s", [version])
        connection.execute(
            "insert into nlp.models (model_version, created_at, is_current, metrics)"
            " values (%s, now(), true, '{}') on conflict do nothing",
            [version],
        )
        connection.execute(
            """
            insert into nlp.enrichments
                (text_hash, model_version, masked_text, block_code, block_probability,
                 municipality_codes, enriched_at)
            select
                text_hash,
                %(version)s,
                'текст ' || left(text_hash, 6),
                (%(blocks)s::text[])[1 + get_byte(decode(text_hash, 'hex'), 0) %% 4],
                get_byte(decode(text_hash, 'hex'), 1) / 256.0,
                array[(
                    select (array_agg(municipality_code order by municipality_code))
                        [length(%(version)s)]
                    from reference.municipalities as places
                    where places.region_code = int_texts.region_code
                )],
                now()
            from intermediate.int_texts
            where get_byte(decode(text_hash, 'hex'), 2) < 256 * %(share)s
            on conflict do nothing
            """,
            {"version": version, "blocks": list(BLOCKS), "share": share},
        )


@pytest.fixture(scope="module")
def two_weeks(
    warehouse: Warehouse, dbt: Dbt, query: Query, tmp_path_factory: pytest.TempPathFactory
) -> list[str]:
    """The marts after fourteen daily builds stand in the schema `daily`; those of a whole one in
    theirs. Hands out the names of the relations."""
    chance = random.Random(5)
    folder = tmp_path_factory.mktemp("truth")
    write_truth(build_world(seed=11, as_of=AS_OF, cases=CASES), folder)
    collected = RawRows()
    reference = Reference(folder, AS_OF, {})
    land(collected, reference, reference.records)
    deliveries = Deliveries.of(list(collected.rows), chance)
    ledger = Ledger(warehouse)
    transformer = warehouse.url("transformer")

    def moment(day: int) -> None:
        with psycopg.connect(transformer) as connection:
            connection.execute(
                "update reference.regions set as_of = %s",
                [AS_OF.astimezone(UTC) - timedelta(days=DAYS - day)],
            )

    def build(*selection: str) -> None:
        dbt("build", "--quiet", *MODELS, *selection, *NO_MOMENT)

    dbt("seed", "--quiet", *NO_MOMENT)
    ledger.land(deliveries.days[0])
    moment(0)
    build("--select", "tag:before_enrichment")
    read_texts(transformer, "first", 0.8)
    build("--select", "tag:after_enrichment")

    late: list[int] = []
    for day in range(1, DAYS + 1):
        rows = deliveries.days[day]
        half = len(rows) // 2
        ledger.land(rows[:half])
        if day in (3, 8):
            late += ledger.land(rows[half:], "running")
        else:
            ledger.land(rows[half:])
        if day == 5:
            ledger.end(late)
        if day == 6:
            assert withdrawn(ledger, query, "pos_messages") > 0
            assert withdrawn(ledger, query, "vk_comments") > 0
            assert withdrawn(ledger, query, "pos_history") > 0
        if day in (7, 13):
            erased = [row for row in deliveries.days[0] if row[0] in CASE_TABLES][day : day + 25]
            assert all(ledger.erase(row[0], row[1]) for row in erased)
        if day == 10:
            ledger.end(late)
        moment(day)
        if day == 14:
            # The enrichments of erased texts are emptied after a build has taken the erasure.
            assert forgotten(transformer, [row[1] for row in erased]) > 0
        if day == 13:
            # What stands behind is built before what it reads.
            build("--select", "int_case_changes", "int_case_attributes", "int_verdicts")
        if day == 9:
            # Somebody builds a part by hand; the rest is made up for the day after.
            build("--select", "int_case_changes", "int_case_cards", "int_case_records")
            continue
        if day == 11:
            # The same with what stands at the end: it can only take in what those before it have.
            build("--select", "int_case_changes", "int_verdicts")
            continue
        if day == 12:
            read_texts(transformer, "second", 0.9)
        elif day % 4 == 0:
            read_texts(transformer, "first", 1)
        build(*BY_CHANGE, *BETWEEN)
    build()
    # Then quiet days: few cases change, so that most sums stay. A build is broken off in the
    # midst, and what it had taken in changes again before the third.
    moved = few_cases(deliveries.days[0], chance)
    ledger.land([_changed(row, {**row[6].obj, **topic}, chance) for row, topic in moved])
    build("--select", "+int_case_months")
    # What the cases were waits for the models that have not been told.
    assert past_rows(query)["intermediate.int_case_months"] > 0
    ledger.land(
        [_changed(row, {**row[6].obj, **topic, "rating": 2}, chance) for row, topic in moved]
    )
    build()
    # What recurs: one of two cases changes, or the report's moment leaves one behind.
    families = Families.of(query)
    ledger.land(families.first_rows() + families.message(TEXT) + families.registered())
    ledger.land(families.grouped("Ямы во дворах", "Первая группа", "grouped"))
    build()
    assert families.topic_of(query, "grouped") == ("Ямы во дворах", "Первая группа")
    assert families.repeated(query) == {*FIRST_CHANGES, *LATER_CHANGES}
    assert families.is_duplicate(query)
    assert families.rule(query) == "fz59_30_days"
    assert families.recurs(query)
    ledger.land(families.changed_rows(FIRST_CHANGES) + families.message(OTHER_TEXT))
    # A model finds two texts alike, and neither case has changed; two cases spell their topic in
    # another way and put it in another group, and with it the one that has not changed.
    find_alike(transformer, [families.text("alike", number) for number in (0, 1)])
    ledger.land(families.grouped("ЯМЫ во дворах", "Вторая группа", "grouped_too", "grouped_more"))
    build()
    assert families.repeated(query) == {*LATER_CHANGES, "alike"}
    assert families.topic_of(query, "grouped") == ("ЯМЫ во дворах", "Вторая группа")
    assert not families.is_duplicate(query)
    assert families.rule(query) == "fz59_migration_20_days"
    ledger.land(families.changed_rows(LATER_CHANGES) + families.message(TEXT))
    moment(DAYS + 1)
    build()
    assert families.repeated(query) == {"alike"}
    assert families.is_duplicate(query)
    assert families.rule(query) == "fz59_30_days"
    assert not families.recurs(query)
    # Nobody waits for what a case was, an erased one least of all.
    assert set(past_rows(query).values()) == {0}
    relations = [
        f"{schema}.{name}"
        for schema, name in query(
            "select table_schema, table_name from information_schema.tables"
            " where table_schema in ('marts', 'marts_public') order by 1, 2"
        )
    ]
    with psycopg.connect(
        warehouse.admin_url, dbname=warehouse.database, autocommit=True
    ) as connection:
        connection.execute("create schema daily authorization tsur_transformer")
    with psycopg.connect(transformer, autocommit=True) as connection:
        for name in relations:
            copy = name.replace(".", "_")
            connection.execute(f"create table daily.{copy} as table {name}")
    build("--full-refresh")
    return relations


def find_alike(url: str, texts: list[str]) -> None:
    """The current model says that two texts are alike."""
    with psycopg.connect(url) as connection:
        connection.execute(
            "insert into nlp.near_duplicates"
            " (text_kind, first_hash, second_hash, model_version, similarity)"
            " select 'message', %s, %s, model_version, 0.8 from nlp.models where is_current",
            sorted(map(text_hash, texts)),
        )


def _person(name: str) -> str:
    return "p_" + hashlib.sha256(name.encode()).hexdigest()[:32]


Change = tuple[int, dict[str, Any]]
# When each case of a family came and was answered. The first of a family that leaves is not among
# the 180 days that end on 2 March: then two are left, and that is too few.
FAMILY = (
    ("2026-01-10T12:00:00+03:00", "2026-01-15T12:00:00+03:00"),
    ("2026-01-20T12:00:00+03:00", None),
)
LEAVING = (
    ("2025-09-02T12:00:00+03:00", "2025-09-03T12:00:00+03:00"),
    ("2025-09-05T12:00:00+03:00", None),
    ("2025-09-06T12:00:00+03:00", None),
)
# Which case of a family becomes another one, so that the first is repeated no longer.
FIRST_CHANGES: dict[str, Change] = {
    "person": (1, {"applicant_key": _person("somebody")}),
    "answered_person": (0, {"applicant_key": _person("somebody else")}),
    "topic": (1, {"topic": "Прочее", "category": None}),
    "house": (1, {"address": "г. Тамбов, ул. Неизвестная, д. 1"}),
    "post": (1, {"address": "г. Тамбов, ул. Неизвестная, д. 2"}),
    "nearby_post": (1, {"longitude": 41.6}),
    "deleted": (1, {"is_deleted": True}),
    "answered_deleted": (0, {"is_deleted": True}),
    "unanswered": (0, {"closed_at": None, "is_closed": False, "resolution": None}),
}
# The same text, sent again before the answer, is a copy.
COPY = {"text": "Один и тот же текст об одном и том же доме, отправленный дважды"}
LATER_CHANGES: dict[str, Change] = {
    "copied": (1, {"received_at": "2026-01-12T12:00:00+03:00", **COPY}),
}
# A register has the text of a message as well, until the message is rewritten, and then again. The
# other text is on a topic that has a term of its own.
TEXT = {"text": "Этот текст в одну неделю пришёл и в сообщении, и в реестре обращений"}
OTHER_TEXT = {
    "text": "Этот текст переписан так, что в реестре обращений его больше нет",
    "topic": "Нарушение миграционного законодательства",
}


@dataclass
class Families:
    """People who write twice about one house and topic. The first case was answered before the
    second came; a post is somebody else's, as far as anybody knows."""

    template: dict[str, Any]
    region: str

    @classmethod
    def of(cls, query: Query) -> Families:
        """Of a body and about a topic that the warehouse knows."""
        [(record, region)] = query(
            "select m.record, m.region_code from raw.pos_messages as m"
            " inner join intermediate.int_filed_cases as f on m.record_key = f.case_id"
            " where f.is_solved and f.topic_code is not null and f.body_code is not null"
            " and f.municipality_code is not null and m.record ->> 'resolution' is not null"
            " and m.record ->> 'topic' <> 'Прочее'"
            " order by m.raw_id desc limit 1"
        )
        return cls(record, region)

    def first_rows(self) -> list[Row]:
        collected = RawRows()
        for name in (*FIRST_CHANGES, *LATER_CHANGES, "leaving", "alike"):
            for number in range(len(LEAVING if name == "leaving" else FAMILY)):
                self._add(collected, name, number, {})
        return collected.rows

    def changed_rows(self, changes: dict[str, Change]) -> list[Row]:
        collected = RawRows()
        for name, (number, change) in changes.items():
            self._add(collected, name, number, change)
        return collected.rows

    def message(self, text: dict[str, Any]) -> list[Row]:
        """A message of nobody's, with a text of its own."""
        collected = RawRows()
        self._add(collected, "message", 0, {"applicant_key": None, "is_59fz": True, **text})
        return collected.rows

    def grouped(self, topic: str, group: str, *names: str) -> list[Row]:
        """Cases of a topic that no catalogue has, in a group that they name themselves."""
        collected = RawRows()
        told = {"topic": topic, "category": group, "address": None}
        for name in names:
            self._add(collected, name, 0, {"applicant_key": None, **told})
        return collected.rows

    def registered(self) -> list[Row]:
        """What a register has of the message."""
        collected = RawRows()
        told = {"kind": "appeal", "received_at": "2026-01-11T12:00:00+03:00", **TEXT}
        collected.add("municipal_register", self.region, "registered", **told)
        return collected.rows

    def _add(self, rows: RawRows, name: str, number: int, change: dict[str, Any]) -> None:
        received, closed = (LEAVING if name == "leaving" else FAMILY)[number]
        is_of_many = name == "leaving" or name.endswith("post")
        house = {"leaving": 998, "message": 997}.get(name, 999)
        record = {key: value for key, value in self.template.items() if key != "native_id"}
        told = {
            **record,
            "kind": "post" if number and name.endswith("post") else "appeal",
            "received_at": received,
            "closed_at": closed,
            "is_closed": closed is not None,
            "resolution": record["resolution"] if closed else None,
            "applicant_key": _person(f"{name} {number if is_of_many else 0}"),
            "address": f"г. Тамбов, ул. Советская, д. {house}",
            "text": self.text(name, number),
            "external_number": None,
            "is_deleted_at_source": False,
            **(COPY if (name, number) == ("copied", 0) else {}),
            # 190 m further north, and without a house.
            **(
                {"address": None, "latitude": 52.7 + number * 190 / 111320, "longitude": 41.45}
                if name == "nearby_post"
                else {}
            ),
            # Only the municipality is known.
            **({"address": None, "latitude": None, "longitude": None} if name == "alike" else {}),
            **change,
        }
        is_deleted = told.pop("is_deleted", False)
        native_id = f"{name}-{number}"
        rows.add("pos_messages", self.region, native_id, is_deleted=is_deleted, **told)

    @staticmethod
    def text(name: str, number: int) -> str:
        """What the family writes: each time something else."""
        return f"Об одном и том же доме пишет {name}, и это письмо номер {number}"

    @staticmethod
    def repeated(query: Query) -> set[str]:
        """Whose first case is repeated by another one."""
        return {
            str(name)
            for (name,) in query(
                "select split_part(m.native_id, '-', 1) from intermediate.int_repeat_cases as r"
                " inner join intermediate.int_case_records as m on r.repeats_case_id = m.case_id"
                " where r.is_current and m.native_id ~ '^[a-z_]+-0$'"
            )
        }

    @staticmethod
    def rule(query: Query) -> str:
        """By which rule the message is to be answered."""
        [(code,)] = query(
            "select rule_code from intermediate.int_deadlines where native_id = 'message-0'"
        )
        return str(code)

    @staticmethod
    def is_duplicate(query: Query) -> bool:
        """Whether what the register has is the message."""
        return bool(
            query(
                "select 1 from intermediate.int_case_duplicates as d"
                " inner join intermediate.int_case_records as m on d.case_id = m.case_id"
                " where m.native_id = 'registered'"
            )
        )

    @staticmethod
    def topic_of(query: Query, name: str) -> tuple[str, str]:
        """Title and group of the topic of the case."""
        [(title, group)] = query(
            f"select topic_title, topic_group from marts.fct_appeals where native_id = '{name}-0'"
        )
        return title, group

    @staticmethod
    def recurs(query: Query) -> bool:
        """Whether what was solved in September still recurs."""
        return bool(
            query(
                "select 1 from marts.mart_root_causes as c"
                " inner join intermediate.int_case_records as m on m.case_id = any(c.case_ids)"
                " where c.is_current and m.native_id = 'leaving-1'"
            )
        )


def few_cases(rows: list[Row], chance: random.Random) -> list[tuple[Row, dict[str, Any]]]:
    """Messages of the federal platform, each with the topic of another one of its region."""
    messages = [row for row in rows if row[0] == "pos_messages" and row[6].obj.get("topic")]
    by_region: dict[str, list[Row]] = defaultdict(list)
    for row in messages:
        by_region[row[3]].append(row)
    moved = []
    for own in by_region.values():
        for row in chance.sample(own, 6):
            other = chance.choice([o for o in own if o[6].obj["topic"] != row[6].obj["topic"]])
            topic = {key: other[6].obj.get(key) for key in ("topic", "category")}
            moved.append((row, topic))
    assert len(moved) >= 18
    return moved


def forgotten(url: str, cases: list[Any]) -> int:
    """Take what the model wrote out of the enrichments of texts; how many."""
    with psycopg.connect(url) as connection:
        return connection.execute(
            "update nlp.enrichments set masked_text = null where masked_text is not null"
            " and text_hash in (select text_hash from intermediate.int_case_records"
            " where case_id = any(%s))",
            [cases],
        ).rowcount


def past_rows(query: Query) -> dict[str, int]:
    """Rows of what a case was before it changed, by table."""
    tables = query(
        "select table_schema, table_name from information_schema.columns"
        " where table_schema in ('intermediate', 'marts_kept') and column_name = 'is_current'"
        " intersect select table_schema, table_name from information_schema.columns"
        " where column_name = 'found_at'"
    )
    past = "select count(*) from {}.{} where not is_current"
    return {f"{schema}.{name}": query(past.format(schema, name))[0][0] for schema, name in tables}


def withdrawn(ledger: Ledger, query: Query, table: str) -> int:
    """Withdraw the newest daily load of a table; how many rows left it."""
    [(load,)] = query(
        f"select max(loads.load_id) from raw.{table} inner join ops.loads using (load_id)"
        " where loads.run_id = 'daily' and loads.outcome = 'success'"
    )
    return ledger.withdraw(load, table)


def columns_of(query: Query, relation: str) -> str:
    """Every column but those that tell of the build itself."""
    schema, name = relation.split(".")
    found = query(
        "select string_agg(quote_ident(column_name), ', ' order by ordinal_position)"
        f" from information_schema.columns where table_schema = '{schema}'"
        f" and table_name = '{name}'"
    )
    return str(found[0][0])


def test_fourteen_daily_builds_give_what_one_whole_build_gives(
    two_weeks: list[str], query: Query
) -> None:
    different = {}
    for relation in two_weeks:
        columns = columns_of(query, relation)
        daily = f"select {columns} from daily.{relation.replace('.', '_')}"
        whole = f"select {columns} from {relation}"
        [(extra, missing)] = query(
            f"select (select count(*) from ({daily} except all {whole}) as t),"
            f" (select count(*) from ({whole} except all {daily}) as t)"
        )
        if extra or missing:
            different[relation] = (extra, missing)
    assert different == {}


def test_the_two_weeks_left_no_mart_empty_that_cases_fill(
    two_weeks: list[str], query: Query
) -> None:
    filled = [name for name in two_weeks if query(f"select 1 from {name} limit 1")]
    assert {"marts.fct_appeals", "marts.fct_deadlines", "marts.mart_deadline_compliance"} <= {
        *filled
    }
    assert len(filled) > len(two_weeks) / 2


def test_a_daily_build_makes_anew_only_what_has_changed(
    two_weeks: list[str], warehouse: Warehouse, dbt: Dbt, query: Query
) -> None:
    """The transaction that wrote a row is told by the row: rows of other cases keep theirs."""
    build = ("build", "--quiet", *MODELS, *BY_CHANGE, *NO_MOMENT)
    dbt(*build)
    before = dict(query("select case_id, xmin::text from intermediate.int_verdicts"))
    [(key, region, native)] = query(
        "select m.record_key, m.region_code, m.native_id from raw.pos_messages as m"
        " inner join intermediate.int_verdicts as v on m.record_key = v.case_id limit 1"
    )
    assert key == record_key("pos", region, "pos_messages", native)
    rows = RawRows()
    rows.add(
        "pos_messages",
        region,
        native,
        kind="appeal",
        received_at="2026-02-01T10:00:00+03:00",
        text="Совсем другой текст",
    )
    Ledger(warehouse).land(rows.rows)
    dbt(*build)
    after = dict(query("select case_id, xmin::text from intermediate.int_verdicts"))
    assert {case for case in after if after[case] != before.get(case)} == {key}
    [(hashed,)] = query(
        f"select text_hash from intermediate.int_case_records where case_id = '{key}'"
    )
    assert hashed == text_hash("Совсем другой текст")
