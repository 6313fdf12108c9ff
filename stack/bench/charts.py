"""The queries behind the charts of the dashboard, and how fast they are.

`chart_queries.yml` holds what Superset sends, written by Superset itself (superset/README.md);
`chart_facts.yml` the same answers from the fact tables, written by hand.
"""

from __future__ import annotations

import textwrap
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import psycopg
import yaml
from psycopg.rows import dict_row

from stack.access import admit
from stack.bench.measure import Measure, at_least, at_most
from stack.database import Warehouse

FOLDER = Path(__file__).parent
QUERIES = FOLDER / "chart_queries.yml"
FACTS = FOLDER / "chart_facts.yml"
PERIOD = "period"
_LOGIN = "bench"
_MILLISECONDS = 1000
_SLOW_FACTS_MS = 200.0
_FACTS_REPEATS = 2
# The fullest cell that every filter can name, and the twelve months that the dashboard opens with.
_VALUES = """
select
    compliance.region_name,
    compliance.block_name,
    compliance.body_name,
    compliance.municipality_name,
    compliance.channel_name,
    (months.last_month - interval '11 months')::date::text as from_date,
    (months.last_month + interval '1 month')::date::text as until_date
from marts.mart_deadline_compliance as compliance
cross join (
    select max(month_date) as last_month
    from marts.mart_deadline_compliance
    where due_cohort > 0
) as months
where
    compliance.is_month_finished
    and compliance.month_date > months.last_month - interval '12 months'
    and compliance.body_code is not null
    and compliance.municipality_code is not null
group by 1, 2, 3, 4, 5, 6, 7
order by sum(compliance.cycles) desc, 1, 2, 3, 4, 5
limit 1
"""


@dataclass(frozen=True, slots=True)
class ChartQuery:
    """What Superset sends for a chart with some filters, and the same answer from the facts.

    Both texts have placeholders in braces. `facts_sql` is None where `no_facts` says why there
    is no such answer.
    """

    chart: str
    filters: tuple[str, ...]
    sql: str
    facts_sql: str | None
    no_facts: str | None

    @property
    def name(self) -> str:
        return f"{self.chart} [{', '.join(self.filters)}]"


@dataclass(frozen=True, slots=True)
class Timed:
    """Milliseconds of every run of a query, warm, and of its answer from the facts (or None).

    The facts have their quickest run: it was the least disturbed.
    """

    query: ChartQuery
    runs: list[float]
    facts: float | None = None

    @property
    def p95(self) -> float:
        if len(self.runs) < 2:
            return self.runs[0]
        return quantiles(self.runs, n=20, method="inclusive")[-1]

    @property
    def times_faster(self) -> float | None:
        """None where the facts answer within 200 ms, or not at all."""
        if self.facts is None or self.facts <= _SLOW_FACTS_MS:
            return None
        return self.facts / median(self.runs)


def load(queries: Path = QUERIES, facts: Path = FACTS) -> list[ChartQuery]:
    """Every query of the file; KeyError for a chart of which `chart_facts.yml` says nothing."""
    answers = yaml.safe_load(facts.read_text(encoding="utf-8"))
    prefix = answers["captions"]["prefix"]
    found = []
    for entry in yaml.safe_load(queries.read_text(encoding="utf-8")):
        chart = entry["chart"]
        said = answers["captions"] if chart.startswith(prefix) else answers["charts"][chart]
        found.append(
            ChartQuery(
                chart=chart,
                filters=tuple(entry["filters"]),
                sql=entry["sql"],
                facts_sql=_from_facts(said, answers["rows"], entry["filters"]),
                no_facts=said.get("no_facts"),
            )
        )
    return found


def _from_facts(
    said: dict[str, str], rows: dict[str, dict[str, str]], filters: Iterable[str]
) -> str | None:
    if "sql" not in said:
        return None
    source = rows[said["from"]]
    period = source["period"]
    conditions = [
        f"{period} >= date '{{from_date}}' and {period} < date '{{until_date}}'"
        if name == PERIOD
        else f"{name} in ('{{{name}}}')"
        for name in filters
    ]
    text = said["sql"].replace("{filters}", " and ".join(conditions) or "true")
    return text.replace(f"{{{said['from']}}}", textwrap.indent(source["sql"].rstrip(), "    "))


def filter_values(connection: psycopg.Connection[Any]) -> dict[str, str]:
    """What the filters are set to: values of this warehouse under which there is something."""
    row = connection.cursor(row_factory=dict_row).execute(_VALUES).fetchone()
    if row is None:
        raise RuntimeError("marts.mart_deadline_compliance has no finished month to ask about.")
    return {name: str(value) for name, value in row.items()}


def filled(text: str, filters: Iterable[str], values: dict[str, str]) -> bytes:
    """A query with the values of its filters; without a period its bounds are infinite."""
    if PERIOD not in filters:
        values = {**values, "from_date": "-infinity", "until_date": "infinity"}
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", value.replace("'", "''"))
    return text.encode()


def as_official(warehouse: Warehouse, login: str) -> psycopg.Connection[Any]:
    """A connection as Superset opens one for this login; nothing is prepared, as there."""
    return psycopg.connect(
        warehouse.url("official"),
        options=f"-c tsur.login={login}",
        autocommit=True,
        prepare_threshold=None,
    )


def as_analyst(warehouse: Warehouse) -> psycopg.Connection[Any]:
    """A connection that reads the fact tables."""
    return psycopg.connect(warehouse.url("analyst"), autocommit=True, prepare_threshold=None)


def measure(
    warehouse: Warehouse, told: Callable[[str], None], repeats: int = 20
) -> Iterator[Measure]:
    """The charts of a built warehouse, one client, after one run to warm up.

    `chart_query_p95` is that of the slowest query; `charts_against_facts` the smallest of facts ÷
    median of the chart where the facts take over 200 ms, and is not given where none does. The
    login `bench` is let see every block: for a scratch warehouse.
    """
    admit(warehouse.url("owner"), [_LOGIN])
    queries = load()
    told(f"{len(queries)} queries of charts, {repeats} times each")
    with as_official(warehouse, _LOGIN) as official, as_analyst(warehouse) as analyst:
        values = filter_values(analyst)
        timed = []
        for query in queries:
            asked = filled(query.sql, query.filters, values)
            _run(official, asked)
            runs = [_run(official, asked) for _ in range(repeats)]
            facts = None
            if query.facts_sql is not None:
                asked = filled(query.facts_sql, query.filters, values)
                facts = min(_run(analyst, asked) for _ in range(_FACTS_REPEATS))
            timed.append(Timed(query, runs, facts))
            told(_line(timed[-1]))
    yield from judged(timed, told)


def judged(timed: list[Timed], told: Callable[[str], None]) -> Iterator[Measure]:
    """What the times come to."""
    slowest = max(timed, key=lambda one: one.p95)
    told(f"  slowest: {slowest.query.name}")
    yield at_most("chart_query_p95", slowest.p95, 300, "ms")
    compared = {one.times_faster: one for one in timed if one.times_faster is not None}
    if not compared:
        told(f"  no answer from the facts takes over {_SLOW_FACTS_MS:.0f} ms: nothing to compare")
        return
    least = min(compared)
    told(f"  {len(compared)} held against the facts; nearest: {compared[least].query.name}")
    yield at_least("charts_against_facts", least, 20)


def _run(connection: psycopg.Connection[Any], query: bytes) -> float:
    """Milliseconds until the last row is here."""
    begun = time.perf_counter()
    connection.execute(query).fetchall()
    return (time.perf_counter() - begun) * _MILLISECONDS


def _line(one: Timed) -> str:
    facts = "" if one.facts is None else f", from the facts {one.facts:.0f} ms"
    return f"  {one.query.name}: {median(one.runs):.1f} ms, p95 {one.p95:.1f} ms{facts}"
