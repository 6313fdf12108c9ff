"""Runs the checks of a stage, keeps every result, stops the line when a critical one fails."""

from __future__ import annotations

import json
import logging
import time
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import psycopg
from sqlalchemy.engine import make_url

from expectations.check import Check, Severity, Stage
from expectations.sources import SourceTable, declared_sources
from expectations.suites.marts import mart_checks
from expectations.suites.raw import raw_checks
from expectations.tables import ensure

if TYPE_CHECKING:
    from great_expectations.core import ExpectationValidationResult
    from great_expectations.data_context import EphemeralDataContext
    from great_expectations.datasource.fluent import PostgresDatasource
    from great_expectations.expectations.expectation import Expectation

logger = logging.getLogger(__name__)

STATEMENT_TIMEOUT = "10min"


@dataclass(frozen=True)
class CheckResult:
    """What one check found.

    `observed_value` is the count of unexpected rows or, for a check of shares, the greatest share
    (0..1); None when the check could not be asked, and then `details["error"]` says why.
    """

    check: Check
    suite: str
    is_passed: bool
    observed_value: float | None
    unexpected_count: int | None
    total_count: int | None
    sample_ids: list[str]
    details: dict[str, Any]
    checked_at: datetime


@dataclass(frozen=True)
class CheckRun:
    """One run of a stage; `outcome` is passed, findings or critical."""

    check_run_id: int
    run_id: str
    stage: Stage
    started_at: datetime
    finished_at: datetime
    outcome: str
    results: list[CheckResult] = field(default_factory=list)

    @property
    def failed_critical(self) -> list[CheckResult]:
        return _failed(self.results, Severity.CRITICAL)

    @property
    def findings(self) -> list[CheckResult]:
        return _failed(self.results, Severity.FINDING)


class CriticalCheckFailed(RuntimeError):
    """A critical check failed: what is downstream must not run. `run` holds every result."""

    def __init__(self, run: CheckRun) -> None:
        self.run = run
        lines = [_sentence(result) for result in run.failed_critical]
        super().__init__(
            f"{len(lines)} critical check(s) of the stage '{run.stage}' failed in run "
            f"{run.run_id}; nothing downstream may run. The quality report explains each:\n"
            + "\n".join(lines)
        )


def run(
    stage: str,
    *,
    database_url: str,
    run_id: str,
    sources: Sequence[SourceTable] | None = None,
    known_at: datetime | None = None,
) -> CheckRun:
    """Run every check of a stage and keep the results in `audit`, failed ones too.

    `stage` is "raw" or "marts". `database_url` is tsur_transformer's. `sources` are the raw tables
    to check; by default every source under ingestion/sources. `known_at`: when the marts began to
    be built, if loads may have ended since; records of later loads then stop nothing.

    Raises CriticalCheckFailed, after the rows are written, when a critical check fails or could
    not be asked; psycopg.Error when the database does not answer.
    """
    chosen = Stage(stage)
    started_at = datetime.now(UTC)
    tables = declared_sources() if sources is None else list(sources)
    checks = raw_checks(tables) if chosen is Stage.RAW else mart_checks(tables, known_at)
    with psycopg.connect(database_url) as connection:
        ensure(connection)
        present = _relations(connection)
    results = _validate(checks, present, database_url)
    outcome = "passed"
    if _failed(results, Severity.FINDING):
        outcome = "findings"
    if _failed(results, Severity.CRITICAL):
        outcome = "critical"
    with psycopg.connect(database_url) as connection:
        finished_at = datetime.now(UTC)
        check_run_id = _store(connection, run_id, chosen, started_at, finished_at, outcome, results)
    check_run = CheckRun(check_run_id, run_id, chosen, started_at, finished_at, outcome, results)
    for result in check_run.findings:
        logger.warning("Finding: %s", _sentence(result))
    logger.info("Stage %s, run %s: %d checks, %s", stage, run_id, len(results), outcome)
    if check_run.failed_critical:
        raise CriticalCheckFailed(check_run)
    return check_run


def _failed(results: Iterable[CheckResult], severity: Severity) -> list[CheckResult]:
    return [
        result for result in results if not result.is_passed and result.check.severity is severity
    ]


def _sentence(result: CheckResult) -> str:
    check = result.check
    if "error" in result.details:
        found = result.details["error"]
    else:
        found = f"{result.unexpected_count} of {result.total_count}"
        if result.sample_ids:
            found += f", for example {', '.join(result.sample_ids[:3])}"
    return f"- {check.code} on {check.relation} ({check.title}): {found}"


def _relations(connection: psycopg.Connection) -> set[str]:
    rows = connection.execute(
        "select n.nspname || '.' || c.relname from pg_class as c "
        "inner join pg_namespace as n on n.oid = c.relnamespace "
        "where c.relkind in ('r', 'p', 'v', 'm') and has_schema_privilege(n.oid, 'usage') "
        "and has_table_privilege(c.oid, 'select')"
    )
    return {row[0] for row in rows}


def _validate(checks: list[Check], present: set[str], database_url: str) -> list[CheckResult]:
    """The results in the order of the checks; one suite and one batch for each relation."""
    found: dict[int, CheckResult] = {}
    suites: dict[str, list[int]] = {}
    for position, check in enumerate(checks):
        missing = [name for name in check.relations if name not in present]
        if missing:
            found[position] = _unanswered(
                check,
                f"{', '.join(missing)}: the relation does not exist, or tsur_transformer may not "
                "read it",
                missing=missing,
            )
        else:
            suites.setdefault(check.relation, []).append(position)
    if suites:
        found |= _validate_suites(checks, suites, database_url)
    return [found[position] for position in range(len(checks))]


def _validate_suites(
    checks: list[Check], suites: dict[str, list[int]], database_url: str
) -> dict[int, CheckResult]:
    # Great Expectations takes seconds to import; the DAG files import this module at parse time.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        context, datasource = _context(database_url)
        found: dict[int, CheckResult] = {}
        for relation, positions in suites.items():
            started = time.monotonic()
            outcome = _validate_suite(context, datasource, [checks[p] for p in positions])
            for position, result in zip(positions, outcome, strict=True):
                found[position] = _result(checks[position], result)
            logger.debug("%s: %.2f s", relation, time.monotonic() - started)
    engine = datasource.get_engine()
    engine.dispose()
    return found


def _context(database_url: str) -> tuple[EphemeralDataContext, PostgresDatasource]:
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.enable_analytics(False)
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    datasource: PostgresDatasource = context.data_sources.add_postgres(  # type: ignore[call-arg]
        name="warehouse",
        # Great Expectations substitutes "$name" in connection strings; a password may hold one.
        connection_string=make_url(database_url)
        .set(drivername="postgresql+psycopg")
        .render_as_string(hide_password=False)
        .replace("$", r"\$"),
        kwargs={"connect_args": {"options": f"-c statement_timeout={STATEMENT_TIMEOUT}"}},
    )
    return context, datasource


def _validate_suite(
    context: EphemeralDataContext, datasource: PostgresDatasource, checks: list[Check]
) -> list[ExpectationValidationResult]:
    import great_expectations as gx

    first = checks[0]
    asset = datasource.add_table_asset(
        name=first.relation, table_name=first.table, schema_name=first.schema
    )
    suite = context.suites.add(gx.ExpectationSuite(name=first.relation))
    for position, check in enumerate(checks):
        suite.add_expectation(_expectation(check, position))
    definition = context.validation_definitions.add(
        gx.ValidationDefinition(
            name=first.relation,
            data=asset.add_batch_definition_whole_table("whole table"),
            suite=suite,
        )
    )
    results = definition.run(result_format="BASIC").results
    by_position = {
        result.expectation_config.meta["position"]: result
        for result in results
        if result.expectation_config is not None and result.expectation_config.meta is not None
    }
    return [by_position[position] for position in range(len(checks))]


def _expectation(check: Check, position: int) -> Expectation:
    import great_expectations.expectations as gxe

    from expectations.rows_query import ExpectUnexpectedRowsWithinTolerance

    common: dict[str, Any] = {
        "severity": "critical" if check.severity is Severity.CRITICAL else "warning",
        "description": check.title,
        "meta": {"code": check.code, "position": position},
        "catch_exceptions": True,
    }
    if check.columns:
        return gxe.ExpectTableColumnsToMatchSet(
            column_set=list(check.columns), exact_match=False, **common
        )
    return ExpectUnexpectedRowsWithinTolerance(
        rows_query=check.rows, measure=check.measure.value, tolerance=check.tolerance, **common
    )


def _unanswered(check: Check, reason: str, **details: Any) -> CheckResult:
    return CheckResult(
        check=check,
        suite=check.relation,
        is_passed=False,
        observed_value=None,
        unexpected_count=None,
        total_count=None,
        sample_ids=[],
        details={"error": reason, **details},
        checked_at=datetime.now(UTC),
    )


def _result(check: Check, outcome: ExpectationValidationResult) -> CheckResult:
    error = _exception_message(outcome.exception_info)
    if error:
        return _unanswered(check, error)
    if check.columns:
        missing = sorted(set(check.columns) - set(outcome.result["observed_value"]))
        total, unexpected = len(check.columns), len(missing)
        observed: float = unexpected
        samples, details = missing, {}
    else:
        values = outcome.result
        total, unexpected = values["element_count"], values["unexpected_count"]
        observed = values["observed_value"]
        found = values["details"]
        samples = [sample["sample_id"] for sample in found["samples"]]
        details = {
            "groups": [group for group in found["groups"] if group["unexpected"]],
            "samples": found["samples"],
        }
    return CheckResult(
        check=check,
        suite=check.relation,
        is_passed=bool(outcome.success),
        observed_value=observed,
        unexpected_count=unexpected,
        total_count=total,
        sample_ids=samples,
        details=details | {"measure": check.measure.value, "tolerance": check.tolerance},
        checked_at=datetime.now(UTC),
    )


def _exception_message(information: dict[str, Any] | None) -> str:
    """The first error that Great Expectations caught, without its SQL; '' when there was none.

    It reports one dictionary, or one for each metric that failed.
    """
    if not information:
        return ""
    entries = [information] if "raised_exception" in information else list(information.values())
    for entry in entries:
        if isinstance(entry, dict) and entry.get("raised_exception"):
            message = str(entry.get("exception_message") or "unknown error")
            return message.split("\n[SQL:")[0].strip()
    return ""


def _store(
    connection: psycopg.Connection,
    run_id: str,
    stage: Stage,
    started_at: datetime,
    finished_at: datetime,
    outcome: str,
    results: list[CheckResult],
) -> int:
    row = connection.execute(
        "insert into audit.check_runs (run_id, stage, started_at, finished_at, outcome) "
        "values (%s, %s, %s, %s, %s) returning check_run_id",
        [run_id, stage.value, started_at, finished_at, outcome],
    ).fetchone()
    if row is None:
        raise RuntimeError("audit.check_runs returned no key for the row just written.")
    check_run_id: int = row[0]
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into audit.check_results (check_run_id, run_id, suite, check_code, title_ru, "
            "severity, schema_name, table_name, column_name, is_passed, observed_value, "
            "unexpected_count, total_count, sample_ids, details, checked_at) "
            "values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                (
                    check_run_id,
                    run_id,
                    f"{stage.value}:{result.suite}",
                    result.check.code,
                    result.check.title,
                    result.check.severity.value,
                    result.check.schema,
                    result.check.table,
                    result.check.column,
                    result.is_passed,
                    result.observed_value,
                    result.unexpected_count,
                    result.total_count,
                    json.dumps(result.sample_ids, ensure_ascii=False),
                    json.dumps(result.details, ensure_ascii=False, default=str),
                    result.checked_at,
                )
                for result in results
            ],
        )
    connection.commit()
    return check_run_id
