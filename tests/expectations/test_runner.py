"""Every check fires when what it promises is broken, and only critical ones stop the line."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime

import psycopg
import pytest

from expectations.check import Severity, Stage
from expectations.index import catalogue
from expectations.runner import CheckRun, CriticalCheckFailed, run
from expectations.sources import SourceTable
from tests.expectations.conftest import SOURCES, Line

pytestmark = pytest.mark.server

Break = Callable[[Line], None]

_OPEN_ENTRY = """
    insert into ops.quarantine (load_id, last_load_id, source_code, region_code, entity,
        error_code, reason, raw_sealed, fingerprint)
    select load_id, load_id, source_code, region_code, entity, 'date_out_of_range',
        'Год 3020 в графе «Дата поступления».', 'x', 'x'
    from ops.loads order by load_id limit 1
"""


def raw(statement: str, constraint: str = "") -> Break:
    """Breaks raw or ops, with what protects them taken away first."""
    table, _, name = constraint.partition(": ")
    steps = [f"alter table {table} {name}"] if constraint else []
    return lambda line: line.owner(*steps, statement)


def marts(statement: str) -> Break:
    return lambda line: line.transformer(statement)


def every(*steps: Break) -> Break:
    def do(line: Line) -> None:
        for step in steps:
            step(line)

    return do


BREAKS: dict[tuple[Stage, str], Break] = {
    (Stage.RAW, "raw_columns"): raw("alter table raw.pos_messages rename row_number to row_no"),
    (Stage.RAW, "raw_keys_present"): raw(
        "update raw.pos_messages set native_id = '' where native_id = '2'"
    ),
    (Stage.RAW, "raw_source_matches"): raw(
        "update raw.pos_messages set source_code = 'vk' where native_id = '2'"
    ),
    (Stage.RAW, "raw_payload_is_object"): raw(
        "update raw.pos_messages set payload = '[]' where native_id = '2'"
    ),
    (Stage.RAW, "raw_hash_present"): raw(
        "update raw.pos_messages set payload_hash = 'short' where native_id = '2'"
    ),
    (Stage.RAW, "raw_key_matches_number"): raw(
        "update raw.pos_messages set record_key = gen_random_uuid() where native_id = '2'"
    ),
    (Stage.RAW, "raw_versions_differ"): raw(
        "update raw.pos_messages set payload_hash = sha256('same') where native_id = '1'"
    ),
    (Stage.RAW, "raw_load_known"): raw(
        "update ops.loads set outcome = 'interrupted' where entity = 'history'"
    ),
    (Stage.RAW, "raw_rows_match_loads"): raw("delete from raw.pos_messages where native_id = '2'"),
    (Stage.RAW, "raw_region_known"): raw(
        "update raw.pos_messages set region_code = 'omsk' where native_id = '2'"
    ),
    (Stage.RAW, "raw_dates_in_range"): raw(
        "update raw.pos_messages set record = record || "
        """'{"closed_at": "3020-01-01T00:00:00+03:00"}' where native_id = '2'"""
    ),
    (Stage.RAW, "load_identity"): raw(
        "update ops.loads set rows_read = rows_read + 1 where entity = 'rows'",
        "ops.loads: drop constraint if exists loads_nothing_lost",
    ),
    (Stage.RAW, "quarantine_accounted"): raw(
        "update ops.loads set rows_read = rows_read + 1, rows_quarantined = 1 where entity = 'rows'"
    ),
    (Stage.RAW, "quarantine_share"): raw(
        "update ops.loads set rows_read = rows_read + 1, rows_quarantined = 1 where entity = 'rows'"
    ),
    (Stage.RAW, "quarantine_open"): raw(_OPEN_ENTRY),
    (Stage.RAW, "raw_values_complete"): raw(
        "update raw.pos_messages set record = record || "
        """'{"incomplete_dates": ["closed_at"]}' where native_id = '2'"""
    ),
    (Stage.RAW, "raw_email_after_ban"): raw(
        "update raw.pos_messages set record = record || "
        """'{"channel": "Электронная почта", "is_59fz": true,"""
        """ "received_at": "2025-03-30T00:00:00+03:00"}' where native_id = '2'"""
    ),
    (Stage.RAW, "load_columns"): raw(
        "insert into ops.loads (run_id, source_code, entity, region_code, started_at,"
        " finished_at, outcome, unknown_columns) select 'r', 'pos', 'messages', 'tambov',"
        " now() - age, now(), 'success', columns::text[] from (values"
        " (interval '9 days', '{Район}'), ('1 day', '{Район,Участок}')) as seen (age, columns)"
    ),
    (Stage.RAW, "load_last_attempt"): raw(
        "insert into ops.loads (run_id, source_code, entity, region_code, finished_at, outcome, "
        "error_class) values ('r', 'pos', 'messages', 'tambov', now(), 'failed', 'TimeoutError')"
    ),
    (Stage.MARTS, "load_freshness"): marts(
        "update marts.mart_source_freshness set is_late = true where entity_code = 'history'"
    ),
    (Stage.MARTS, "load_volume"): marts(
        "update marts.mart_source_freshness set volume_code = 'below_usual', rows_read = 69 "
        "where entity_code = 'messages'"
    ),
    (Stage.MARTS, "appeal_unique"): marts(
        "insert into marts.fct_appeals select * from marts.fct_appeals where native_id = '1'"
    ),
    (Stage.MARTS, "appeal_region_known"): marts(
        "delete from marts.dim_regions where region_code = 'boston'"
    ),
    (Stage.MARTS, "ledger_states_known"): marts(
        "update marts.mart_case_ledger set reason = ' ' where native_id = '2'"
    ),
    (Stage.MARTS, "ledger_equals_appeals"): marts(
        "delete from marts.fct_appeals where native_id = '102'"
    ),
    (Stage.MARTS, "ledger_duplicate_survivor"): marts(
        "update marts.mart_case_ledger set duplicate_of_case_id = record_key where native_id = '2'"
    ),
    (Stage.MARTS, "ledger_covers_raw"): marts(
        "delete from marts.mart_case_ledger where native_id = '2'"
    ),
    (Stage.MARTS, "ledger_behind_raw"): marts(
        "delete from marts.mart_case_ledger where native_id = '2'"
    ),
    (Stage.MARTS, "source_without_model"): marts(
        "delete from reference.data_sources where source_code = 'boston_311_2015'"
    ),
    (Stage.MARTS, "deadline_unique"): marts(
        "insert into marts.fct_deadlines select * from marts.fct_deadlines where native_id = '1'"
    ),
    (Stage.MARTS, "deadline_has_appeal"): marts(
        "delete from marts.fct_appeals where native_id = '102'"
    ),
    (Stage.MARTS, "deadline_status_known"): marts(
        "update marts.fct_deadlines set deadline_status = 'fine' where native_id = '1'"
    ),
    (Stage.MARTS, "deadline_status_follows_times"): marts(
        "update marts.fct_deadlines set closed_at = due_at + interval '1 second' "
        "where native_id = '1'"
    ),
    (Stage.MARTS, "compliance_adds_up"): marts(
        "update marts.mart_deadline_compliance set due_cohort = 2 where region_code = 'tambov'"
    ),
    (Stage.MARTS, "compliance_equals_deadlines"): marts(
        "delete from marts.mart_deadline_compliance where region_code = 'boston'"
    ),
    (Stage.MARTS, "compliance_versions"): marts(
        "update marts.mart_deadline_compliance set metric_version = null"
    ),
    (Stage.MARTS, "workload_counts_possible"): marts(
        "update marts.mart_block_workload set open_cases = -1 where region_code = 'boston'"
    ),
    (Stage.MARTS, "workload_not_invented"): marts(
        "update marts.mart_block_workload set occupancy_share = 0 where region_code = 'boston'"
    ),
    (Stage.MARTS, "workload_versions"): marts("update marts.mart_block_workload set as_of = null"),
    (Stage.MARTS, "rating_rank_dense"): marts(
        "update marts.mart_agency_rating set rank = 3 where body_code = 'c'"
    ),
    (Stage.MARTS, "rating_score_decomposes"): marts(
        "delete from marts.mart_agency_rating_dimensions where body_code = 'c'"
    ),
    (Stage.MARTS, "rating_versions"): marts(
        "update marts.mart_agency_rating set config_version = null"
    ),
    (Stage.MARTS, "masked_no_phone"): marts(
        "update marts.fct_appeals set text_masked = 'Звоните 8 (4752) 12-34-56' "
        "where native_id = '1'"
    ),
    (Stage.MARTS, "masked_no_email"): marts(
        "update marts.fct_appeals set text_masked = 'Пишите: ivan.petrov@mail.example.ru' "
        "where native_id = '1'"
    ),
    (Stage.MARTS, "verdict_mismatch"): marts(
        "update marts.fct_deadlines set is_verdict_mismatch = true where native_id = '1'"
    ),
    (Stage.MARTS, "verdict_unreadable"): marts(
        "update marts.fct_deadlines set source_verdict = 'ON TIME' where native_id = '101'"
    ),
    (Stage.MARTS, "verdict_empty"): marts(
        "update marts.fct_deadlines set source_verdict = '' where native_id = '101'"
    ),
    (Stage.MARTS, "negative_duration"): marts(
        "update marts.fct_appeals set received_at = closed_at + interval '1 hour' "
        "where native_id = '101'"
    ),
    (Stage.MARTS, "date_missing"): marts(
        "update marts.fct_appeals set received_at = null where native_id = '102'"
    ),
    (Stage.MARTS, "closed_without_date"): marts(
        "update marts.fct_appeals set closed_at = null where native_id = '101'"
    ),
    (Stage.MARTS, "unlocated_share"): marts(
        "update marts.fct_appeals set municipality_code = null where native_id = '102'"
    ),
    (Stage.MARTS, "unknown_block_share"): marts(
        "update marts.fct_appeals set block_code = 'unknown' where native_id = '102'"
    ),
    (Stage.MARTS, "text_not_enriched"): marts("update nlp.models set is_current = false"),
    (Stage.MARTS, "correction_without_effect"): marts(
        "update intermediate.int_corrections set problem_name = 'такого блока нет'"
    ),
    (Stage.MARTS, "source_silent"): marts(
        "update marts.fct_appeals set received_at = received_at - interval '60 days' "
        "where source_code = 'pos'"
    ),
}

MENDS = {
    "raw_columns": raw("alter table raw.pos_messages rename row_no to row_number"),
    "load_identity": every(
        raw("truncate ops.loads cascade"),
        raw(
            "alter table ops.loads add constraint loads_nothing_lost check (outcome <> 'success' "
            "or rows_read = rows_landed + rows_unchanged + rows_quarantined)"
        ),
    ),
}


def check(line: Line, stage: Stage, known_at: datetime | None = None) -> CheckRun:
    """A run that gives its results whether it stops the line or not."""
    try:
        return run(
            stage.value, database_url=line.url, run_id="run", sources=SOURCES, known_at=known_at
        )
    except CriticalCheckFailed as stopped:
        return stopped.run


def failed(check_run: CheckRun) -> set[str]:
    return {result.check.code for result in check_run.results if not result.is_passed}


@pytest.mark.parametrize("stage", list(Stage))
def test_consistent_data_pass_every_check(line: Line, stage: Stage) -> None:
    check_run = run(stage.value, database_url=line.url, run_id="run", sources=SOURCES)

    assert failed(check_run) == set()
    assert check_run.outcome == "passed"
    assert all(result.total_count is not None for result in check_run.results)


@pytest.mark.parametrize("stage", list(Stage))
def test_empty_tables_pass_every_check(empty_line: Line, stage: Stage) -> None:
    check_run = run(stage.value, database_url=empty_line.url, run_id="run", sources=SOURCES)

    assert failed(check_run) == set()
    assert {r.total_count for r in check_run.results if not r.check.columns} == {0}


@pytest.mark.parametrize(
    ("stage", "code"), BREAKS, ids=[f"{stage.value}:{code}" for stage, code in BREAKS]
)
def test_a_check_fires_when_its_promise_is_broken(line: Line, stage: Stage, code: str) -> None:
    BREAKS[stage, code](line)
    try:
        known_at = datetime(2000, 1, 1, tzinfo=UTC) if code == "ledger_behind_raw" else None
        check_run = check(line, stage, known_at)
    finally:
        MENDS.get(code, lambda _: None)(line)

    fired = [r for r in check_run.results if r.check.code == code and not r.is_passed]
    assert fired, f"failed instead: {failed(check_run)}"
    assert fired[0].unexpected_count
    assert fired[0].sample_ids
    severity = catalogue()[stage][code].severity
    assert check_run.outcome == "critical" or severity is Severity.FINDING


@pytest.mark.parametrize(
    ("channel", "received", "is_59fz", "is_found"),
    [
        ("Электронная почта", "2025-03-30T00:00:00+03:00", True, True),
        ("Электронная почта", "2025-03-29T23:59:59+03:00", True, False),
        ("по эл. почте", "2026-01-10", True, True),
        ("E-mail", "2026-01-10", True, True),
        ("Почта", "2026-01-10", True, False),
        ("Электронная почта", "2026-01-10", False, False),
    ],
)
def test_an_appeal_by_email_is_told_from_the_day_on_which_the_law_ended_it(
    line: Line, channel: str, received: str, is_59fz: bool, is_found: bool
) -> None:
    record = json.dumps({"channel": channel, "received_at": received, "is_59fz": is_59fz})
    line.owner(f"update raw.pos_messages set record = record || '{record}' where native_id = '2'")
    assert failed(check(line, Stage.RAW)) == ({"raw_email_after_ban"} if is_found else set())


def test_every_check_has_a_break_that_proves_it() -> None:
    assert set(BREAKS) == {(stage, code) for stage, codes in catalogue().items() for code in codes}


def test_a_failing_critical_check_stops_what_is_downstream(line: Line) -> None:
    BREAKS[Stage.MARTS, "masked_no_phone"](line)

    with pytest.raises(CriticalCheckFailed, match="masked_no_phone") as stopped:
        run("marts", database_url=line.url, run_id="run", sources=SOURCES)

    assert [r.check.code for r in stopped.value.run.failed_critical] == ["masked_no_phone"]
    assert "12-34-56" not in str(stopped.value)


def test_a_finding_is_reported_and_stops_nothing(line: Line) -> None:
    BREAKS[Stage.MARTS, "negative_duration"](line)

    check_run = run("marts", database_url=line.url, run_id="run", sources=SOURCES)

    assert check_run.outcome == "findings"
    (finding,) = check_run.findings
    assert (finding.unexpected_count, finding.total_count) == (1, 2)
    (case_id,) = line.rows("select case_id::text from marts.fct_appeals where native_id = '101'")
    assert finding.sample_ids == list(case_id)


def test_results_are_kept_even_when_the_line_stops(line: Line) -> None:
    BREAKS[Stage.MARTS, "appeal_unique"](line)
    check_run = check(line, Stage.MARTS)

    assert line.rows("select run_id, stage, outcome from audit.check_runs") == [
        ("run", "marts", "critical")
    ]
    kept = line.rows(
        "select count(*), count(*) filter (where not is_passed) from audit.check_results"
    )
    assert kept == [(len(check_run.results), 1)]


def test_a_repeated_run_keeps_the_failed_attempt(line: Line) -> None:
    BREAKS[Stage.MARTS, "appeal_unique"](line)
    check(line, Stage.MARTS)
    line.transformer(
        "delete from marts.fct_appeals as a using marts.fct_appeals as b "
        "where a.case_id = b.case_id and a.ctid > b.ctid"
    )
    check(line, Stage.MARTS)

    kept = line.rows("select run_id, outcome from audit.check_runs order by check_run_id")
    assert kept == [("run", "critical"), ("run", "passed")]


@pytest.mark.parametrize("role", ["analyst", "auditor"])
def test_readers_see_the_results_and_cannot_change_them(line: Line, role: str) -> None:
    check(line, Stage.RAW)

    assert line.rows("select count(*) > 0 from audit.check_results", role) == [(True,)]
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        line._run(role, ("delete from audit.check_results",))


def test_a_missing_relation_fails_the_checks_that_need_it_and_says_so(line: Line) -> None:
    line.transformer("alter table marts.mart_agency_rating_dimensions rename to hidden")
    try:
        check_run = check(line, Stage.MARTS)
    finally:
        line.transformer("alter table marts.hidden rename to mart_agency_rating_dimensions")

    assert failed(check_run) == {"rating_score_decomposes"}
    (result,) = check_run.failed_critical
    assert "marts.mart_agency_rating_dimensions" in result.details["error"]


def test_a_check_that_cannot_be_computed_fails_with_the_reason_of_the_database(line: Line) -> None:
    line.transformer("alter table marts.fct_appeals rename municipality_code to place")
    try:
        check_run = check(line, Stage.MARTS)
    finally:
        line.transformer("alter table marts.fct_appeals rename place to municipality_code")

    assert failed(check_run) == {"unlocated_share"}
    (result,) = check_run.findings
    assert "municipality_code" in result.details["error"]
    assert "SELECT" not in result.details["error"]


def test_records_landed_while_the_marts_were_built_stop_nothing(line: Line) -> None:
    line.transformer("delete from marts.mart_case_ledger where native_id = '2'")
    before = datetime(2000, 1, 1, tzinfo=UTC)

    assert failed(check(line, Stage.MARTS, known_at=before)) == {"ledger_behind_raw"}
    assert failed(check(line, Stage.MARTS)) == {"ledger_covers_raw"}


def test_an_entry_that_stays_in_quarantine_counts_for_every_load_that_saw_it(line: Line) -> None:
    line.owner(
        _OPEN_ENTRY,
        "update ops.quarantine set last_load_id = (select max(load_id) from ops.loads)",
        "update ops.loads set rows_read = rows_read + 1, rows_quarantined = 1 "
        "where entity = 'messages'",
    )

    assert "quarantine_accounted" not in failed(check(line, Stage.RAW))


@pytest.mark.parametrize(
    ("text", "is_phone"),
    [
        ("тел. +7 900 123-45-67", True),
        ("89001234567", True),
        ("8(475)212-34-56", True),
        ("8-41-900-12 не звонить", False),
        ("счёт 408178100900112345678", False),
        ("с 8 до 20 часов 2015-2016 гг.", False),
        ("дом 8 123 квартира", False),
    ],
)
def test_phones_are_told_from_other_numbers(line: Line, text: str, is_phone: bool) -> None:
    line.transformer(f"update marts.fct_appeals set text_masked = '{text}' where native_id = '1'")

    assert ("masked_no_phone" in failed(check(line, Stage.MARTS))) is is_phone


def test_a_table_shared_by_two_entities_is_held_against_the_loads_of_both(line: Line) -> None:
    shared = SourceTable("pos", ("messages", "other"), "case", "pos_messages", ("tambov",))
    line.owner(
        "insert into ops.loads (run_id, source_code, entity, region_code, finished_at, outcome, "
        "rows_read, rows_landed) values ('r', 'pos', 'other', 'tambov', now(), 'success', 1, 1)"
    )

    with pytest.raises(CriticalCheckFailed, match="raw_rows_match_loads"):
        run("raw", database_url=line.url, run_id="run", sources=[shared])


def test_an_unknown_stage_is_refused(line: Line) -> None:
    with pytest.raises(ValueError, match="gold"):
        run("gold", database_url=line.url, run_id="run", sources=SOURCES)
