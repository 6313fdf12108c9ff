"""The quality report for auditors: one HTML file in Russian, drawn from the rows in `audit`.

It loads nothing: no script, no font, no picture from outside, so it opens anywhere and can be kept
as evidence.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import jinja2
import psycopg
from psycopg.rows import dict_row

from expectations.check import Measure
from expectations.index import SEVERITIES, STAGES, catalogue

TEMPLATES = Path(__file__).with_name("templates")
LATEST = "index.html"
KEEP = 30
HISTORY = 30
SHOWN_EXAMPLES = 30
FIRST_EXAMPLES = 8
_REPORT_NAME = re.compile(r"^report-\d{8}-\d{6}-\d+\.html$")

LEDGER_STATES = {
    "in_marts": "в витринах",
    "merged_duplicate": "объединено с другим",
    "not_a_case": "не обращение",
    "vanished_at_source": "исчезло в источнике",
    "deleted_at_source": "удалено в источнике",
}
OUTCOMES = {
    "passed": "нарушений нет",
    "findings": "есть находки",
    "critical": "остановлено",
    "success": "успех",
    "failed": "ошибка",
    "interrupted": "прервана",
    "running": "идёт",
}
STATES = {
    "failed_critical": "Критическое нарушение",
    "failed_finding": "Находка",
    "error": "Не вычислена",
    "empty": "Нет данных",
    "passed": "Соблюдается",
}

# The newest answer to each check: raw checks of one source may have run without the others.
RESULTS = """
    select distinct on (run.stage, result.schema_name, result.table_name, result.check_code)
        run.stage, run.check_run_id, run.run_id, run.finished_at, result.*
    from audit.check_results as result
    inner join audit.check_runs as run using (check_run_id)
    where run.finished_at > (select max(finished_at) from audit.check_runs) - interval '30 days'
    order by
        run.stage, result.schema_name, result.table_name, result.check_code,
        run.check_run_id desc, result.result_id
"""
RUNS = """
    select
        run.*,
        count(result.result_id) as checks,
        count(*) filter (where not result.is_passed and result.severity = 'critical') as critical,
        count(*) filter (where not result.is_passed and result.severity = 'finding') as findings
    from audit.check_runs as run
    left join audit.check_results as result using (check_run_id)
    group by run.check_run_id
    order by run.check_run_id desc
    limit %(limit)s
"""
LOADS = """
    select
        source_code,
        entity,
        region_code,
        count(*) filter (where is_standing) as loads,
        count(*) filter (where outcome in ('failed', 'interrupted')) as failed_loads,
        count(withdrawn_at) as withdrawn_loads,
        coalesce(sum(rows_read) filter (where is_standing), 0) as rows_read,
        coalesce(sum(rows_landed) filter (where is_standing), 0) as rows_landed,
        coalesce(sum(rows_unchanged) filter (where is_standing), 0) as rows_unchanged,
        coalesce(sum(rows_quarantined) filter (where is_standing), 0) as rows_quarantined,
        coalesce(sum(rows_tombstoned) filter (where is_standing), 0) as rows_tombstoned,
        count(*) filter (
            where is_standing
            and rows_read <> rows_landed + rows_unchanged + rows_quarantined
        ) as broken,
        max(finished_at) filter (where is_standing) as last_success_at,
        (array_agg(outcome order by load_id desc))[1] as last_outcome,
        (array_agg(error_message order by load_id desc))[1] as last_error
    from (
        select *, outcome = 'success' and withdrawn_at is null as is_standing from ops.loads
    ) as loads
    group by source_code, entity, region_code
    order by source_code, entity, region_code
"""
QUARANTINE = """
    select
        source_code,
        entity,
        error_code,
        state,
        count(*) as row_count,
        (array_agg(reason order by quarantine_id desc))[1] as reason,
        max(created_at) as last_at
    from ops.quarantine
    group by source_code, entity, error_code, state
    order by state, source_code, entity, row_count desc
"""
LEDGER = """
    select source_code, region_code, ledger_state, count(*) as row_count
    from marts.mart_case_ledger
    group by source_code, region_code, ledger_state
    order by source_code, region_code
"""
REASONS = """
    select source_code, ledger_state, reason, count(*) as row_count
    from marts.mart_case_ledger
    where ledger_state <> 'in_marts'
    group by source_code, ledger_state, reason
    order by row_count desc, source_code, reason
    limit 40
"""
MOMENTS = """
    select appeals.region_code, regions.as_of, count(*) as row_count
    from marts.fct_appeals as appeals
    inner join marts.dim_regions as regions on regions.region_code = appeals.region_code
    group by appeals.region_code, regions.as_of
    order by appeals.region_code
"""
REGIONS = "select region_code, region_name from marts.dim_regions"


@dataclass(frozen=True)
class Shown:
    """One check as the report shows it."""

    code: str
    title: str
    relation: str
    stage: str
    state: str
    severity: str
    observed: str
    is_share: bool
    total: int | None
    unexpected: int | None
    meaning: str
    action: str
    error: str
    groups: list[dict[str, Any]]
    samples: list[dict[str, Any]]
    checked_at: datetime

    @property
    def state_name(self) -> str:
        return STATES[self.state]

    @property
    def first_samples(self) -> list[dict[str, Any]]:
        """All examples where they fit, else the first few."""
        fits = len(self.samples) <= SHOWN_EXAMPLES
        return self.samples if fits else self.samples[:FIRST_EXAMPLES]

    @property
    def further_samples(self) -> list[dict[str, Any]]:
        return self.samples[len(self.first_samples) :]

    @property
    def hidden(self) -> int:
        """Unexpected rows beyond the examples that were kept."""
        return max((self.unexpected or 0) - len(self.samples), 0)


def render(
    database_url: str,
    output_dir: Path | str,
    *,
    time_zone: str = "Europe/Moscow",
    keep: int = KEEP,
) -> Path:
    """Draw the report of the newest results; returns the file that was written.

    `database_url` may be tsur_auditor's: only audit, ops and marts are read. `output_dir` gets the
    report under a name of its own and a copy as index.html; of the old ones `keep` stay. Marts that
    were not built yet leave their sections empty. Raises psycopg.Error when `audit` has no tables,
    that is, before the first run of the checks.
    """
    folder = Path(output_dir)
    folder.mkdir(parents=True, exist_ok=True)
    made_at = datetime.now(UTC)
    page = _environment(ZoneInfo(time_zone)).get_template("report.html.j2")
    text = page.render(**_contents(database_url), made_at=made_at, time_zone=time_zone)
    path = folder / f"report-{made_at:%Y%m%d-%H%M%S}-{made_at.microsecond:06d}.html"
    for target in (path, folder / LATEST):
        _write(target, text)
    _prune(folder, keep)
    return path


def _contents(database_url: str) -> dict[str, Any]:
    with psycopg.connect(database_url, row_factory=dict_row) as connection:
        # One moment for the whole page: a load that ends meanwhile must not split the sums.
        connection.execute("set transaction isolation level repeatable read, read only")
        results = [_shown(row) for row in _rows(connection, RESULTS)]
        runs = _rows(connection, RUNS, limit=HISTORY)
        loads = _rows(connection, LOADS)
        quarantine = _rows(connection, QUARANTINE)
        is_built = _is_readable(connection, "marts.mart_case_ledger")
        ledger = _rows(connection, LEDGER) if is_built else []
        reasons = _rows(connection, REASONS) if is_built else []
        has_appeals = _is_readable(connection, "marts.fct_appeals")
        moments = _rows(connection, MOMENTS) if has_appeals else []
        has_regions = _is_readable(connection, "marts.dim_regions")
        regions = _rows(connection, REGIONS) if has_regions else []
    failed = [result for result in results if result.state.startswith(("failed", "error"))]
    failed.sort(key=lambda result: (result.severity != "critical", result.stage != "raw"))
    return {
        "results": results,
        "failed": failed,
        "critical": sum(result.severity == "critical" for result in failed),
        "findings": sum(result.severity == "finding" for result in failed),
        "counts": _counts(results),
        "runs": runs,
        "latest_runs": _latest_runs(runs),
        "loads": loads,
        "load_totals": _sums(loads, _LOAD_COUNTS),
        "quarantine": quarantine,
        "ledger": _pivot(ledger),
        "ledger_states": LEDGER_STATES,
        "reasons": reasons,
        "moments": moments,
        "regions": {row["region_code"]: row["region_name"] for row in regions},
        "stages": {stage.value: name for stage, name in STAGES.items()},
        "severities": {severity.value: name for severity, name in SEVERITIES.items()},
        "outcomes": OUTCOMES,
    }


_LOAD_COUNTS = (
    "loads",
    "failed_loads",
    "withdrawn_loads",
    "rows_read",
    "rows_landed",
    "rows_unchanged",
    "rows_quarantined",
    "rows_tombstoned",
    "broken",
)


def _rows(
    connection: psycopg.Connection[dict[str, Any]], query: str, **parameters: Any
) -> list[dict[str, Any]]:
    return connection.execute(query.encode(), parameters or None).fetchall()


def _is_readable(connection: psycopg.Connection[dict[str, Any]], relation: str) -> bool:
    found = connection.execute(
        "select coalesce(has_table_privilege(to_regclass(%s), 'select'), false) as is_readable",
        [relation],
    ).fetchone()
    return bool(found and found["is_readable"])


def _shown(row: dict[str, Any]) -> Shown:
    known = {stage.value: checks for stage, checks in catalogue().items()}
    check = known[row["stage"]].get(row["check_code"])
    details = row["details"]
    return Shown(
        code=row["check_code"],
        title=row["title_ru"],
        relation=f"{row['schema_name']}.{row['table_name']}",
        stage=row["stage"],
        state=_state(row),
        severity=row["severity"],
        observed=_observed(row),
        is_share=details.get("measure") == Measure.SHARE,
        total=row["total_count"],
        unexpected=row["unexpected_count"],
        meaning=check.meaning if check else "Проверка больше не выполняется.",
        action=check.action if check else "",
        error=_error(details),
        groups=details.get("groups", []),
        samples=details.get("samples", [{"sample_id": name} for name in row["sample_ids"]]),
        checked_at=row["checked_at"],
    )


def _error(details: dict[str, Any]) -> str:
    if "missing" in details:
        return f"нет таблицы или права её читать: {', '.join(details['missing'])}"
    return str(details.get("error", ""))


def _state(row: dict[str, Any]) -> str:
    if "error" in row["details"]:
        return "error"
    if not row["is_passed"]:
        return f"failed_{row['severity']}"
    return "passed" if row["total_count"] else "empty"


def _observed(row: dict[str, Any]) -> str:
    value, details = row["observed_value"], row["details"]
    if value is None:
        return "—"
    if details.get("measure") == "share":
        return f"{_percent(value)} (допустимо {_percent(details['tolerance'])})"
    return number(row["unexpected_count"])


def _percent(share: Any) -> str:
    return f"{float(share) * 100:.1f}".replace(".", ",").replace(",0", "") + "\u00a0%"


def number(value: Any) -> str:
    """A whole number with no-break spaces between thousands."""
    return "—" if value is None else f"{int(value):,}".replace(",", "\u00a0")


def _counts(results: list[Shown]) -> list[dict[str, Any]]:
    """Checks by stage and severity: all, failed, without data, passed."""
    rows = []
    for stage, stage_name in STAGES.items():
        for severity in SEVERITIES:
            chosen = [r for r in results if r.stage == stage and r.severity == severity]
            empty = sum(result.state == "empty" for result in chosen)
            passed = sum(result.state == "passed" for result in chosen)
            rows.append(
                {
                    "stage": stage_name,
                    "severity": SEVERITIES[severity],
                    "all": len(chosen),
                    "failed": len(chosen) - empty - passed,
                    "empty": empty,
                    "passed": passed,
                    "is_critical": severity == "critical",
                }
            )
    return rows


def _latest_runs(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for run in runs:
        found.setdefault(run["stage"], run)
    return [found[stage] for stage in STAGES if stage in found]


def _sums(rows: list[dict[str, Any]], names: tuple[str, ...]) -> dict[str, int]:
    return {name: sum(int(row[name]) for row in rows) for name in names}


def _pivot(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row a source and region with the count of each state, and the sum of all."""
    table: dict[tuple[str, str], dict[str, int]] = {}
    for row in rows:
        states = table.setdefault((row["source_code"], row["region_code"]), {})
        states[row["ledger_state"]] = row["row_count"]
    lines = [_ledger_line(source, region, states) for (source, region), states in table.items()]
    if lines:
        totals = {
            state: sum(states.get(state, 0) for states in table.values()) for state in LEDGER_STATES
        }
        lines.append(_ledger_line("Всего", "", totals))
    return lines


def _ledger_line(source_code: str, region_code: str, states: dict[str, int]) -> dict[str, Any]:
    return {
        "source_code": source_code,
        "region_code": region_code,
        "states": states,
        "total": sum(states.values()),
    }


def _environment(zone: ZoneInfo) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["number"] = number
    environment.filters["moment"] = lambda value: (
        "—" if value is None else value.astimezone(zone).strftime("%d.%m.%Y %H:%M")
    )
    return environment


def _write(path: Path, text: str) -> None:
    """Whole or not at all: the page may be open in a browser while it is renewed."""
    draft = path.with_suffix(".draft")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)


def _prune(folder: Path, keep: int) -> None:
    reports = sorted(path for path in folder.iterdir() if _REPORT_NAME.match(path.name))
    for path in reports[: max(len(reports) - keep, 0)]:
        path.unlink(missing_ok=True)
