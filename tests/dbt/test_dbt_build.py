"""The warehouse built by dbt on a small raw: nothing lost, verdicts right, nothing built twice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from dbt_runs import Dbt, Query
from psycopg import sql
from raw_rows import RawRows, record_key, text_hash

from expectations.freshness import SourcesOverdue, require_fresh
from expectations.suites.marts import freshness_checks
from ingestion.erasure import expire_texts
from ingestion.ledger import expect_loads
from ingestion.source import SOURCES_FOLDER, load_source
from stack.database import Warehouse
from stack.metrics import MetricsError, SemanticLayer

pytestmark = [pytest.mark.server, pytest.mark.slow]

# The build on an empty raw runs the unit tests.
BUILD = ("build", "--quiet", "--exclude-resource-type", "unit_test", "--select")
MODELS = ("build", "--quiet", "--exclude-resource-type", "unit_test", "test", "--select")
POTHOLE = "На улице Советской у дома 10 третью неделю глубокая яма, машины объезжают по тротуару."


def fill(rows: RawRows) -> None:
    """Every kind of case: two channels, a vanished one, a body's own post, no date, two cycles."""
    common: dict[str, Any] = {"is_closed": False, "topic": "Невозможно записаться на приём к врачу"}
    body = "Министерство здравоохранения Тамбовской области"
    rows.add(
        "pos_messages",
        "tambov",
        "100",
        kind="appeal",
        received_at="2026-01-12T00:00:00+03:00",
        received_has_time=False,
        body=body,
        source_verdict="Нет",
        **common,
    )
    rows.add(
        "pos_cards",
        "tambov",
        "100",
        text=POTHOLE,
        municipality="город Тамбов",
        questions_raised=2,
        questions_answered=1,
    )
    for number, (cycle, event, moment, holder) in enumerate(
        [
            (1, "received", "2026-01-12T10:00:00+03:00", None),
            (1, "registered", "2026-01-12T11:00:00+03:00", None),
            (1, "assigned", "2026-01-13T11:00:00+03:00", body),
            (1, "answered", "2026-01-20T11:00:00+03:00", body),
            (2, "reopened", "2026-01-25T11:00:00+03:00", None),
        ]
    ):
        rows.add(
            "pos_history",
            "tambov",
            f"100/{number}",
            case_native_id="100",
            cycle_no=cycle,
            event=event,
            occurred_at=moment,
            body=holder,
        )
    # The same case in the register, by its number, and in a post, by its text.
    rows.add(
        "municipal_register",
        "tambov",
        "5",
        kind="appeal",
        external_number="100",
        received_at="2026-01-14T10:00:00+03:00",
        text="Копия сообщения",
        **common,
    )
    rows.add(
        "vk_posts",
        "tambov",
        "-1_1",
        kind="post",
        received_at="2026-01-13T10:00:00+03:00",
        text=POTHOLE.upper() + "!!!",
    )
    rows.add(
        "vk_posts",
        "tambov",
        "-1_2",
        kind="post",
        received_at="2026-01-13T10:00:00+03:00",
        text="Дорогие жители, завтра приём граждан",
        is_by_body=True,
    )
    rows.add(
        "vk_comments",
        "tambov",
        "-1_3",
        kind="comment",
        text="Удалено",
        received_at="2026-01-13T12:00:00+03:00",
        is_deleted_at_source=True,
    )
    rows.add(
        "perm_incidents",
        "perm",
        "c1",
        kind="appeal",
        text="'Нет воды вторые сутки",
        body="Неизвестное управление",
    )
    # Two versions and a tombstone: the latest row stands for the record.
    for is_closed, is_deleted in ((False, False), (True, False), (True, True)):
        rows.add(
            "fixmystreet_polls",
            "lewisham",
            "42",
            kind="request",
            is_closed=is_closed,
            is_deleted=is_deleted,
            received_at="2021-10-05T10:00:00+01:00",
            text="Fly tipping on the corner",
        )
    city = {"kind": "request", "received_at": "2015-06-01T09:00:00-04:00", "body": "PWDx"}
    rows.add(
        "boston_311_2015",
        "boston",
        "1",
        source_verdict="ONTIME",
        is_closed=True,
        due_at="2015-06-03T09:00:00-04:00",
        closed_at="2015-06-03T09:00:00-04:00",
        **city,
    )
    rows.add(
        "boston_311_2015",
        "boston",
        "2",
        source_verdict="OVERDUE",
        is_closed=False,
        due_at="2016-01-13T07:59:59-05:00",
        **city,
    )
    rows.add(
        "boston_311_2015",
        "boston",
        "3",
        source_verdict="",
        is_closed=True,
        due_at="2015-06-03T09:00:00-04:00",
        closed_at="2015-06-04T09:00:00-04:00",
        **city,
    )


@pytest.fixture(scope="module")
def built(warehouse: Warehouse, dbt: Dbt) -> Dbt:
    """The small raw, enriched and built in the two groups of the pipeline."""
    rows = RawRows()
    fill(rows)
    rows.write(warehouse.url("loader"))
    dbt(*BUILD, "tag:before_enrichment")
    with psycopg.connect(warehouse.url("transformer")) as connection:
        connection.execute("insert into nlp.models values ('m1', now(), true, '{}')")
        connection.execute(
            "insert into nlp.enrichments select text_hash, 'm1', 'МАСКА', '{}', '{}', '{}', '{}',"
            " 'ROADS', 0.8, '{}', now() from intermediate.int_texts"
        )
    dbt(*BUILD, "tag:after_enrichment")
    return dbt


def test_the_ledger_says_where_every_record_ended(built: Dbt, query: Query) -> None:
    states = dict(
        query("select source_code || ' ' || native_id, ledger_state from marts.mart_case_ledger")
    )
    assert states == {
        "pos 100": "in_marts",
        "municipal_register 5": "merged_duplicate",
        "vk -1_1": "merged_duplicate",
        "vk -1_2": "not_a_case",
        "vk -1_3": "deleted_at_source",
        "perm_incidents c1": "in_marts",
        "fixmystreet_polls 42": "vanished_at_source",
        "boston_311_2015 1": "in_marts",
        "boston_311_2015 2": "in_marts",
        "boston_311_2015 3": "in_marts",
    }


def test_a_build_writes_down_which_kept_models_each_follows_from(
    built: Dbt, query: Query, manifest: dict[str, Any]
) -> None:
    nodes = {name: node for name, node in manifest["nodes"].items() if name.startswith("model.")}
    kept = {
        name
        for name, node in nodes.items()
        if (
            node["config"]["materialized"] == "incremental"
            and node["config"]["incremental_strategy"] in ("by_change", "by_cell", "change_log")
        )
        or (node["config"]["materialized"] == "table" and node["fqn"][1] == "intermediate")
    }
    before = ancestors({name: node["depends_on"]["nodes"] for name, node in nodes.items()})
    expected = {
        nodes[name]["name"]: sorted(nodes[one]["name"] for one in found & kept)
        for name, found in before.items()
        if found & kept
    }
    assert "int_case_changes" in expected["kept_deadline_compliance"]
    assert dict(query("select model, models_before from audit.model_lineage")) == expected


def ancestors(parents: dict[str, list[str]]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for name in TopologicalSorter(parents).static_order():
        direct = parents.get(name, [])
        found[name] = set(direct).union(*(found[one] for one in direct))
    return {name: found[name] for name in parents}


def test_a_duplicate_points_at_the_case_that_survives(built: Dbt, query: Query) -> None:
    survivor = record_key("pos", "tambov", "pos_messages", "100")
    found = query(
        "select duplicate_evidence, duplicate_of_case_id from marts.mart_case_ledger"
        " where ledger_state = 'merged_duplicate' order by 1"
    )
    assert found == [("cross_channel_number", survivor), ("same_text", survivor)]


def test_a_case_without_a_date_stays_and_its_ledger_says_so(built: Dbt, query: Query) -> None:
    assert query(
        "select a.received_at, a.has_date, l.reason like '%%дата поступления неизвестна%%'"
        " from marts.fct_appeals as a join marts.mart_case_ledger as l using (case_id)"
        " where a.source_code = 'perm_incidents'"
    ) == [(None, False, True)]


def test_the_city_keeps_its_own_verdict_and_ours_agrees(built: Dbt, query: Query) -> None:
    assert query(
        "select native_id, source_verdict, deadline_status, is_verdict_mismatch"
        " from marts.fct_deadlines where source_code = 'boston_311_2015' order by native_id"
    ) == [
        ("1", "ONTIME", "on_time", False),
        ("2", "OVERDUE", "overdue_open", False),
        ("3", "", "late", None),
    ]


def test_a_rule_gives_each_cycle_its_own_term(built: Dbt, query: Query) -> None:
    # 30 days from 12 January end on 11 February; from 25 January on 24 February: both work days.
    assert query(
        "select cycle_no, due_date::text, deadline_status, body_code from marts.fct_deadlines"
        " where source_code = 'pos' order by cycle_no"
    ) == [
        (1, "2026-02-11", "on_time", "tambov_oiv_health"),
        (2, "2026-02-24", "overdue_open", "tambov_oiv_health"),
    ]


def test_a_body_that_no_register_knows_is_kept_by_name(built: Dbt, query: Query) -> None:
    assert query(
        "select b.body_name, b.body_kind_code, b.is_registered from marts.fct_appeals as a"
        " join marts.dim_bodies as b using (body_code) where a.source_code = 'perm_incidents'"
    ) == [("Неизвестное управление", "observed", False)]


def test_the_marts_carry_masked_text_only(built: Dbt, query: Query) -> None:
    assert query(
        "select distinct text_masked from marts.fct_appeals where text_masked is not null"
    ) == [("МАСКА",)]


def test_enrichment_reads_every_text_once_as_staging_gives_it(built: Dbt, query: Query) -> None:
    texts = dict(query('select text_hash, "text" from intermediate.int_texts'))
    assert texts[text_hash("Нет воды вторые сутки")] == "Нет воды вторые сутки"
    assert all(text_hash(text) == key for key, text in texts.items())


def test_officials_read_aggregates_and_not_facts(built: Dbt, warehouse: Warehouse) -> None:
    with psycopg.connect(warehouse.url("official"), autocommit=True) as connection:
        connection.execute("select count(*) from marts.mart_deadline_compliance")
        connection.execute("select count(*) from marts.dim_blocks")
        for closed in ("marts.fct_appeals", "intermediate.int_cases", "raw.pos_messages"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(f"select count(*) from {closed}")
    with psycopg.connect(warehouse.url("analyst"), autocommit=True) as connection:
        connection.execute("select count(*) from marts.fct_appeals")
        connection.execute("select count(*) from reference.deadline_rules")
        for closed in ("staging.stg_pos_cards", "intermediate.int_texts", "nlp.enrichments"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(f"select count(*) from {closed}")


def test_a_metric_is_computed_by_the_definition_that_the_mart_has(
    built: Dbt, query: Query, dbt_folder: Path
) -> None:
    layer = SemanticLayer(dbt_folder / "target")
    statement = layer.sql(
        ["on_time_cycles", "due_cycles", "compliance_share"],
        group_by=["metric_time__month", "region__region_name"],
    )
    found = [(month.date(), *rest) for month, *rest in query(statement) if rest[2]]
    # Of Boston's three terms of 2015-2016 one was kept, of the two of the platform the first.
    assert [(str(month), on_time, due) for month, _, on_time, due, _ in found] == [
        ("2015-06-01", 1, 2),
        ("2016-01-01", 0, 1),
        ("2026-02-01", 1, 2),
    ]
    assert [float(share) for *_, share in found] == [0.5, 0.0, 0.5]
    assert [row[:4] for row in found] == query(
        "select month_date, region_name, sum(on_time), sum(due_cohort)"
        " from marts.mart_deadline_compliance where due_cohort > 0 group by 1, 2 order by 1"
    )


def test_metrics_leave_out_what_is_deleted_undated_or_a_duplicate(
    built: Dbt, query: Query, dbt_folder: Path
) -> None:
    layer = SemanticLayer(dbt_folder / "target")
    statement = layer.sql(["appeals"], group_by=["appeal__source_code"])
    assert query(statement) == [("boston_311_2015", 3), ("pos", 1)]
    only = layer.sql(["appeals"], where=["{{ Dimension('appeal__source_code') }} = 'pos'"])
    assert query(only) == [(1,)]


def test_a_metric_that_nobody_defined_is_told_with_those_that_are_close(
    built: Dbt, dbt_folder: Path
) -> None:
    layer = SemanticLayer(dbt_folder / "target")
    with pytest.raises(MetricsError, match=r"appeal: no such metric\. Close to it: .*\bappeals\b"):
        layer.sql(["appeal"])
    with pytest.raises(MetricsError, match="weather"):
        layer.sql(["appeals"], group_by=["weather"])


def test_every_metric_names_what_it_may_be_grouped_by(built: Dbt, dbt_folder: Path) -> None:
    cards = {card.name: card for card in SemanticLayer(dbt_folder / "target").cards()}
    assert "region__region_name" in cards["compliance_share"].group_by
    assert all(card.label and card.description for card in cards.values())


SANDBOX = {"TSUR_SANDBOX_URL": "http://127.0.0.1:1", "TSUR_POS_TOKEN": "token"}


class Ledger:
    """The ledger in a transaction that is rolled back: what is added, and what readers then see."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.connection = connection

    def add(
        self, entity: str, *starts: str, run_id: str = "", rows: int = 100, **columns: Any
    ) -> None:
        """Successful loads of the platform in Tambov, each begun at a moment and ended with it."""
        for number, started_at in enumerate(starts):
            values: dict[str, Any] = {
                **{"run_id": run_id or f"scheduled {started_at} {number}", "source_code": "pos"},
                **{"entity": entity, "region_code": "tambov", "outcome": "success"},
                **{"started_at": started_at, "finished_at": started_at},
                **{"rows_read": rows, "rows_landed": rows, **columns},
            }
            statement = sql.SQL("insert into ops.loads ({}) values ({})").format(
                sql.SQL(", ").join(map(sql.Identifier, values)),
                sql.SQL(", ").join(sql.Placeholder() * len(values)),
            )
            self.connection.execute(statement, list(values.values()))

    def shown(self, entity: str, *columns: str) -> tuple[Any, ...]:
        """What an official's dashboard reads of this load."""
        with self.as_role("tsur_official"):
            row = self.connection.execute(
                sql.SQL(
                    "select {} from marts.mart_source_freshness where source_code = 'pos'"
                    " and region_code = 'tambov' and entity_code = %s"
                ).format(sql.SQL(", ").join(map(sql.Identifier, columns))),
                [entity],
            ).fetchone()
        assert row is not None
        return row

    def finding(self, code: str) -> list[tuple[Any, ...]]:
        """What the check of this code reports, as (sample_id, label)."""
        (check,) = (one for one in freshness_checks() if one.code == code)
        query = f"select sample_id, label from ({check.rows}) as rows where is_unexpected"
        with self.as_role("tsur_transformer"):
            return self.connection.execute(query.format(batch=check.relation).encode()).fetchall()

    @contextmanager
    def as_role(self, role: str) -> Iterator[None]:
        self.connection.execute(sql.SQL("set local role {}").format(sql.Identifier(role)))
        yield
        self.connection.execute("reset role")


@pytest.fixture
def ledger(built: Dbt, warehouse: Warehouse) -> Iterator[Ledger]:
    """The platform expected in five regions, and not one load of it."""
    pos = load_source(SOURCES_FOLDER / "pos.yml", SANDBOX)
    admin = urlsplit(warehouse.admin_url)._replace(path=f"/{warehouse.database}").geturl()
    with psycopg.connect(admin) as connection:
        connection.execute("delete from ops.loads where source_code = 'pos'")
        assert expect_loads(connection, [pos]) == 15
        yield Ledger(connection)
        connection.rollback()


def hours_ago(hours: float) -> str:
    return (datetime.now(UTC) - timedelta(hours=hours)).isoformat()


def test_a_load_is_late_and_overdue_by_the_hours_that_its_source_declares(ledger: Ledger) -> None:
    # pos.yml: late after 36 hours, overdue after 72.
    state = ("freshness_name", "is_late", "is_overdue", "age_hours")
    assert ledger.shown("messages", *state) == ("не загружался", False, False, Decimal(0))
    ledger.add("messages", hours_ago(72.5))
    assert ledger.shown("messages", *state) == ("просрочено", True, True, Decimal("72.5"))
    ledger.add("messages", hours_ago(36.5))
    assert ledger.shown("messages", *state) == ("опаздывает", True, False, Decimal("36.5"))
    ledger.add("messages", hours_ago(35.5))
    assert ledger.shown("messages", *state) == ("в срок", False, False, Decimal("35.5"))
    assert ledger.shown("cards", "freshness_name") == ("не загружался",)


def test_neither_a_failure_nor_a_withdrawn_load_nor_a_replay_makes_a_source_fresh(
    ledger: Ledger,
) -> None:
    ledger.add("messages", hours_ago(100))
    ledger.add("messages", hours_ago(1), outcome="failed")
    withdrawn = {"withdrawn_by": "operator", "withdrawn_reason": "another region's file"}
    ledger.add("messages", hours_ago(1), withdrawn_at=hours_ago(0), **withdrawn)
    ledger.add("messages", hours_ago(1), run_id="replay")
    assert ledger.shown("messages", "freshness_name") == ("просрочено",)


def test_an_overdue_source_fails_the_freshness_task_and_stands_on_the_dashboard(
    ledger: Ledger,
) -> None:
    with ledger.as_role("tsur_transformer"):
        assert require_fresh(ledger.connection) == {"never_loaded": 15}
    ledger.add("messages", hours_ago(73))
    with pytest.raises(SourcesOverdue, match="pos / messages / tambov: last load 20") as failure:
        require_fresh(ledger.connection)
    assert "1 of 15 loads overdue" in str(failure.value)
    assert "data-engineering" in str(failure.value)
    assert ledger.shown("messages", "freshness_name") == ("просрочено",)
    ((where, label),) = ledger.finding("load_freshness")
    assert where == "pos / messages / tambov"
    assert "Тамбовская область (Обращения): просрочено, последняя удачная" in label


def test_a_source_that_never_came_is_waited_for_since_it_was_declared(ledger: Ledger) -> None:
    ledger.connection.execute(
        "update ops.expected_loads set declared_at = now() - interval '73 hours'"
        " where entity = 'history' and region_code = 'tambov'"
    )
    assert ledger.shown("history", "freshness_name", "is_overdue") == ("не загружался", True)
    with pytest.raises(SourcesOverdue, match="pos / history / tambov: last load never"):
        require_fresh(ledger.connection)


# Monday to Friday, and the Monday after; two Saturdays before a holiday on a Wednesday.
WORKING = [f"2026-09-{day:02}T03:00:00+03:00" for day in (7, 8, 9, 10, 11)]


def test_a_day_below_seven_tenths_of_the_median_of_like_days_stands_on_the_dashboard(
    ledger: Ledger,
) -> None:
    volume = ("volume_name", "rows_read", "usual_rows", "volume_share", "like_days")
    for rows, day in zip((90, 100, 100, 900), WORKING, strict=False):
        ledger.add("messages", day, rows=rows)
    assert ledger.shown("messages", "volume_name", "like_days") == ("не с чем сравнить", 3)
    ledger.add("messages", WORKING[4], rows=70)
    assert ledger.shown("messages", *volume) == ("обычный", 70, 100, Decimal("0.7"), 4)
    assert ledger.finding("load_volume") == []

    ledger.add("messages", "2026-09-14T03:00:00+03:00", rows=66)

    assert ledger.shown("messages", *volume) == ("ниже обычного", 66, 100, Decimal("0.66"), 5)
    assert ledger.finding("load_volume") == [
        (
            "pos / messages / tambov",
            "Платформа обратной связи, Тамбовская область (Обращения): 66 за 14.09.2026 при "
            "обычных 100",
        )
    ]


def test_weekends_and_holidays_are_not_held_against_working_days(ledger: Ledger) -> None:
    ledger.add("messages", *WORKING, rows=100)
    ledger.add("messages", "2026-09-12T03:00:00+03:00", rows=5)
    kind = ("day_kind_name", "volume_name", "like_days")
    assert ledger.shown("messages", *kind) == ("выходной", "не с чем сравнить", 0)
    # Half past midnight in Tambov is still Tuesday in UTC. Holidays are compared over a year.
    ledger.add("messages", "2026-02-23T03:00:00+03:00", "2026-06-12T03:00:00+03:00", rows=5)
    ledger.add("messages", "2026-11-03T21:30:00+00:00", rows=5)
    assert ledger.shown("messages", "load_date", *kind) == (
        date(2026, 11, 4), "праздничный", "не с чем сравнить", 2,
    )  # fmt: skip


def test_a_day_that_is_not_over_is_held_against_as_many_first_loads_of_other_days(
    ledger: Ledger,
) -> None:
    for day in WORKING:
        ledger.add("messages", day, day.replace("T03", "T09"), day.replace("T03", "T15"))
    ledger.add("messages", "2026-09-14T03:00:00+03:00")
    # Two files of one run are one load.
    ledger.add("messages", *["2026-09-14T09:00:00+03:00"] * 2, run_id="nine", rows=20)
    assert ledger.shown("messages", "volume_name", "rows_read", "usual_rows") == (
        "обычный", 140, 200,
    )  # fmt: skip


def test_backfills_and_replays_are_no_day_of_a_source(ledger: Ledger) -> None:
    ledger.add("messages", *WORKING)
    for run_id in ("backfill 7", "replay"):
        ledger.add("messages", "2026-09-14T03:00:00+03:00", run_id=run_id, rows=1)
    assert ledger.shown("messages", "volume_name", "rows_read") == ("обычный", 100)


def test_what_is_no_longer_declared_is_no_longer_expected(ledger: Ledger) -> None:
    since = "select min(declared_at), max(warn_hours), count(*) from ops.expected_loads"
    ((declared_at, _, _),) = ledger.connection.execute(since).fetchall()
    pos = load_source(SOURCES_FOLDER / "pos.yml", SANDBOX)
    fewer = pos.model_copy(
        update={
            "regions": pos.regions[:1],
            "freshness": pos.freshness.model_copy(update={"warn_hours": 5}),
        }
    )
    off = load_source(SOURCES_FOLDER / "vk.yml", {})
    assert expect_loads(ledger.connection, [fewer, off]) == 3
    assert ledger.connection.execute(since).fetchall() == [(declared_at, 5, 3)]
    assert ledger.shown("messages", "warn_hours") == (5,)


def test_the_dictionary_is_one_static_page(built: Dbt, dbt_folder: Any) -> None:
    built("docs", "generate", "--static", "--no-compile", "--quiet")
    page = (dbt_folder / "target" / "static_index.html").read_text(encoding="utf-8")
    assert "mart_block_workload" in page


def test_when_every_text_is_erased_all_marts_keep_their_numbers(
    built: Dbt, query: Query, warehouse: Warehouse
) -> None:
    def marts() -> dict[str, list[str]]:
        row = "(to_jsonb(mart) - 'text_masked')::text"
        return {
            name: [line for (line,) in query(f"select {row} from marts.{name} as mart order by 1")]
            for (name,) in query("select tablename from pg_tables where schemaname = 'marts'")
        }

    before = marts()
    assert query("select 1 from marts.fct_appeals where block_decided_by = 'model'")
    assert query("select 1 from marts.mart_case_ledger where ledger_state = 'merged_duplicate'")
    erased = expire_texts(
        loader_url=warehouse.url("loader"),
        transformer_url=warehouse.url("transformer"),
        before=datetime.now(UTC) + timedelta(days=1),
    )
    assert erased > 5

    built(*BUILD, "tag:before_enrichment")
    # Their tests would read the same rows again: that they are the same is what is asked below.
    built(*MODELS, "tag:after_enrichment")

    assert query("select count(text_masked) from marts.fct_appeals") == [(0,)]
    assert query("select count(message_text) from intermediate.int_cases") == [(0,)]
    assert marts() == before
