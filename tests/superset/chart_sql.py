"""The SQL that Superset sends for the charts of the dashboard, asked inside its environment."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from tsur_superset import assets, query_context

# No report speaks of these days, so each stands in a query where the period's bound does.
FROM_DATE, UNTIL_DATE = "1901-02-03", "1904-05-06"
PERIOD = "period"
Ask = Callable[[dict[str, Any]], str]


def filters_of(dashboard: dict[str, Any], dataset: dict[str, Any]) -> list[str]:
    """Columns of the filters that act on a dataset; the period's is called `period`."""
    without = assets.filters_without_effect(dashboard, dataset)
    return [
        item["targets"][0]["column"]["name"] if item["targets"][0] else PERIOD
        for item in dashboard["metadata"]["native_filter_configuration"]
        if item["name"] not in without
    ]


def choices(names: list[str]) -> list[list[str]]:
    """No filter, each alone, all together."""
    return [[], *([name] for name in names), *([names] if len(names) > 1 else [])]


def with_filters(context: dict[str, Any], names: list[str]) -> dict[str, Any]:
    """The chart's query with these filters set, to placeholders in place of values."""
    for name in names:
        if name == PERIOD:
            context = query_context.with_period(context, f"{FROM_DATE} : {UNTIL_DATE}")
        else:
            context = query_context.with_filter(context, name, [f"{{{name}}}"])
    return context


def of_every_chart(
    declared: assets.Assets, contexts: dict[str, dict[str, Any]], ask: Ask
) -> Iterator[dict[str, Any]]:
    """Entries {chart, filters, sql} of every chart on a dashboard, captions included.

    A caption is asked without a filter and with all of them. `contexts` are the queries by the
    charts' names, `ask` gives the SQL of one.
    """
    complete = assets.complete(declared)
    for dashboard in complete.dashboards.values():
        for key in assets.charts_of(dashboard):
            chart = complete.charts[key]
            name = chart["slice_name"]
            chosen = choices(filters_of(dashboard, complete.datasets[chart["dataset_uuid"]]))
            if name.startswith(assets.CAPTION_PREFIX):
                chosen = [chosen[0], chosen[-1]]
            for names in chosen:
                sql = ask(with_filters(contexts[name], names))
                yield {"chart": name, "filters": names, "sql": _named(sql)}


def _named(sql: str) -> str:
    """The query with the period's bounds as placeholders, without blanks at the ends of lines."""
    sql = sql.replace(FROM_DATE, "{from_date}").replace(UNTIL_DATE, "{until_date}")
    return re.sub(r"[ \t]+$", "", sql, flags=re.M).strip()
