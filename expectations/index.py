"""The index of checks that people read: `python -m expectations.index` writes INDEX.md."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from expectations.check import Check, Severity, Stage
from expectations.sources import SourceTable
from expectations.suites.marts import mart_checks
from expectations.suites.raw import raw_checks

INDEX = Path(__file__).with_name("INDEX.md")
SEVERITIES = {Severity.CRITICAL: "критическая", Severity.FINDING: "находка"}
STAGES = {Stage.RAW: "Сырые данные", Stage.MARTS: "Витрины"}


def catalogue() -> dict[Stage, dict[str, Check]]:
    """Every kind of check by its code; a check that is made for each source stands once."""
    sample = [SourceTable("source", ("entity",), "case", "table", ("region",))]
    return {
        Stage.RAW: {check.code: check for check in raw_checks(sample)},
        Stage.MARTS: {check.code: check for check in mart_checks(sample)},
    }


def render_index() -> str:
    """The index as Markdown, in Russian: code, severity, title, meaning, what to do."""
    lines = [
        "# Проверки качества",
        "",
        "Критическая проверка останавливает всё, что дальше по линии. Находка попадает в отчёт.",
        "Файл создаёт команда `python -m expectations.index`.",
    ]
    for stage, checks in catalogue().items():
        lines += ["", f"## {STAGES[stage]}", ""]
        lines += _entries(checks.values())
    return "\n".join([*lines, ""])


def _entries(checks: Iterable[Check]) -> Iterable[str]:
    for check in checks:
        relation = "каждая таблица источника" if check.schema == "raw" else f"`{check.relation}`"
        yield (
            f"- **`{check.code}`** ({SEVERITIES[check.severity]}; {relation}). {check.title}. "
            f"{check.meaning} *Что делать:* {check.action}"
        )


if __name__ == "__main__":
    INDEX.write_text(render_index(), encoding="utf-8")
