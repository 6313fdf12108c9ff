"""The warehouse built by dbt on a small raw: nothing lost, verdicts right, nothing built twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from dbt_runs import Dbt, Query
from raw_rows import RawRows, record_key, text_hash

from ingestion.erasure import expire_texts
from stack.database import Warehouse

pytestmark = [pytest.mark.server, pytest.mark.slow]

# The build on an empty raw runs the unit tests.
BUILD = ("build", "--quiet", "--exclude-resource-type", "unit_test", "--select")
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


def test_freshness_runs_and_tells_a_loaded_source_from_one_that_never_came(built: Dbt) -> None:
    assert built("source", "freshness", "--select", "source:pos").returncode == 0
    never = built("source", "freshness", "--select", "source:open311", check=False)
    assert never.returncode == 1
    assert "ERROR STALE" in never.stdout


def test_the_dictionary_is_one_static_page(built: Dbt, dbt_folder: Any) -> None:
    built("docs", "generate", "--static", "--quiet")
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
    built(*BUILD, "tag:after_enrichment")

    assert query("select count(text_masked) from marts.fct_appeals") == [(0,)]
    assert query("select count(message_text) from intermediate.int_cases") == [(0,)]
    assert marts() == before
