"""The query of a chart, made from its YAML: what Superset's interface would send.

A chart that was imported and never saved in a browser has none, and then neither
`GET /api/v1/chart/ID/data` nor a cache warm-up works. Only the kinds of charts in use are known.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


class UnknownChartKind(ValueError):
    """The chart's `viz_type` has no rule here; add one before using it."""


def build(
    params: Mapping[str, Any], *, dataset_id: int, chart_id: int | None = None
) -> dict[str, Any]:
    """The query context of a chart with these `params` over the dataset `dataset_id`."""
    form_data = {**params, "datasource": f"{dataset_id}__table"}
    if chart_id is not None:
        form_data["slice_id"] = chart_id
    query: dict[str, Any] = {
        **_filters(params),
        "columns": [],
        "metrics": [],
        "orderby": [],
        "annotation_layers": [],
        "row_limit": params.get("row_limit") or 10_000,
        "series_limit": 0,
        "order_desc": params.get("order_desc", True),
        "url_params": {},
        "custom_params": {},
        "custom_form_data": {},
    }
    query.update(_shape(params))
    return {
        "datasource": {"id": dataset_id, "type": "table"},
        "force": False,
        "queries": [query],
        "form_data": {**form_data, "force": False, "result_format": "json", "result_type": "full"},
        "result_format": "json",
        "result_type": "full",
    }


def with_period(context: Mapping[str, Any], period: str | None) -> dict[str, Any]:
    """The same query with the dashboard's period in place of «No filter»."""
    changed: dict[str, Any] = json.loads(json.dumps(context))
    if period:
        for query in changed["queries"]:
            for item in query["filters"]:
                if item["op"] == "TEMPORAL_RANGE":
                    item["val"] = period
    return changed


def with_filter(context: Mapping[str, Any], column: str, values: list[Any]) -> dict[str, Any]:
    """The same query with one select filter of the dashboard set."""
    changed: dict[str, Any] = json.loads(json.dumps(context))
    for query in changed["queries"]:
        query["filters"].append({"col": column, "op": "IN", "val": values})
    return changed


def _filters(params: Mapping[str, Any]) -> dict[str, Any]:
    simple, where = [], []
    for item in params.get("adhoc_filters") or []:
        if item["expressionType"] == "SIMPLE":
            simple.append(
                {"col": item["subject"], "op": item["operator"], "val": item["comparator"]}
            )
        else:
            where.append(f"({item['sqlExpression']})")
    return {"filters": simple, "extras": {"having": "", "where": " AND ".join(where)}}


def _shape(params: Mapping[str, Any]) -> dict[str, Any]:
    kind = params["viz_type"]
    metrics = list(params.get("metrics") or [])
    if kind == "big_number_total":
        return {"metrics": [params["metric"]]}
    if kind in ("echarts_timeseries_bar", "echarts_timeseries_line"):
        extra = params.get("timeseries_limit_metric")
        if extra and extra not in metrics:
            metrics.append(extra)
        return {"columns": [params["x_axis"], *params.get("groupby", [])], "metrics": metrics,
                "orderby": [[metrics[0], False]]}  # fmt: skip
    if kind == "pivot_table_v2":
        return {"columns": [*params["groupbyRows"], *params["groupbyColumns"]], "metrics": metrics,
                "orderby": [[metrics[0], False]]}  # fmt: skip
    if kind == "table" and params["query_mode"] == "raw":
        order = [json.loads(item) for item in params["order_by_cols"]]
        return {"columns": list(params["all_columns"]), "metrics": None, "orderby": order}
    if kind == "table":
        first = params.get("timeseries_limit_metric") or metrics[0]
        if first not in metrics:
            metrics.append(first)
        return {"columns": list(params["groupby"]), "metrics": metrics, "orderby": [[first, False]]}
    raise UnknownChartKind(f"no rule for charts of the kind {kind}")
