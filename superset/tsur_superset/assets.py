"""Reads the assets under `superset/assets`, checks them, and completes the dashboards.

Needs nothing of Superset, so that the checks run anywhere. An asset is one YAML in Superset's own
import format, `KIND/UUID.yaml`. What is not written by hand is derived here: under every chart of
a dashboard stands a caption, and a filter is kept off the charts whose dataset has no such column.
"""

from __future__ import annotations

import copy
import re
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ASSETS = Path(__file__).resolve().parents[1] / "assets"
KINDS = ("databases", "datasets", "charts", "dashboards")
CAPTION_PREFIX = "Основание: "
CAPTION_METRIC = "caption"
PERIOD_FILTER_TYPE = "filter_time"
# A module of a kind that needs `eval`, a remote host, or draws Russia wrongly.
FORBIDDEN_VIZ_TYPES = {
    "country_map",
    "sunburst",
    "sunburst_v2",
    "handlebars",
    "mapbox",
    "world_map",
}
NOISE_KEYS = {
    "created_on",
    "changed_on",
    "created_by",
    "changed_by",
    "owners",
    "id",
    "query_context",
}
_SECRET = re.compile(
    r"(://[^/\s:@]+:[^@\s]+@)|(password\s*:)|(encrypted_extra)|(BEGIN [A-Z ]*KEY)", re.I
)


class AssetError(Exception):
    """One or more assets are wrong; the message has a line for each, with file and remedy."""


@dataclass
class Assets:
    """Parsed YAML by kind and UUID; `files` gives the path of each UUID for messages."""

    databases: dict[str, dict[str, Any]] = field(default_factory=dict)
    datasets: dict[str, dict[str, Any]] = field(default_factory=dict)
    charts: dict[str, dict[str, Any]] = field(default_factory=dict)
    dashboards: dict[str, dict[str, Any]] = field(default_factory=dict)

    def kind(self, name: str) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = getattr(self, name)
        return found


def load(folder: Path = ASSETS) -> Assets:
    """Reads every `*.yaml` under `folder`; raises `AssetError` naming each unreadable file."""
    assets, errors, seen = Assets(), [], {}
    for kind in KINDS:
        for path in sorted((folder / kind).glob("*.y*ml")):
            name = f"{kind}/{path.name}"
            text = path.read_text("utf-8")
            if _SECRET.search(text):
                errors.append(
                    f"{name}: looks like a secret; real addresses come from the environment"
                )
                continue
            try:
                config = yaml.safe_load(text)
            except yaml.YAMLError as error:
                errors.append(f"{name}: not YAML: {error}")
                continue
            key = str(config.get("uuid", "")) if isinstance(config, dict) else ""
            if path.name != f"{key}.yaml":
                errors.append(
                    f"{name}: the file must be named by its uuid, {key or 'which is missing'}"
                )
                continue
            if key in seen:
                errors.append(f"{name}: uuid also used by {seen[key]}")
                continue
            noise = NOISE_KEYS & set(config)
            if noise:
                errors.append(f"{name}: remove {', '.join(sorted(noise))}")
                continue
            seen[key] = name
            assets.kind(kind)[key] = config
    if errors:
        raise AssetError("\n".join(errors))
    return assets


def dataset_columns(dataset: Mapping[str, Any]) -> set[str]:
    """Names of the dataset's columns, computed ones included."""
    return {column["column_name"] for column in dataset["columns"]}


def dataset_metrics(dataset: Mapping[str, Any]) -> dict[str, str]:
    """The SQL of the dataset's metrics by name."""
    return {metric["metric_name"]: metric["expression"] for metric in dataset["metrics"]}


def chart_fields(chart: Mapping[str, Any]) -> tuple[set[str], set[str]]:
    """Columns and saved metrics that a chart's parameters name."""
    params = chart["params"]
    columns: set[str] = set()
    for key in ("groupby", "all_columns", "groupbyRows", "groupbyColumns"):
        columns |= {item for item in params.get(key) or [] if isinstance(item, str)}
    if isinstance(params.get("x_axis"), str):
        columns.add(params["x_axis"])
    for item in params.get("adhoc_filters") or []:
        if item.get("expressionType") == "SIMPLE":
            columns.add(item["subject"])
    for item in params.get("order_by_cols") or []:
        columns.add(yaml.safe_load(item)[0])
    candidates = [
        *(params.get("metrics") or []),
        params.get("metric"),
        params.get("timeseries_limit_metric"),
    ]
    return columns, {item for item in candidates if isinstance(item, str) and item}


def check(assets: Assets, contracts: Mapping[str, set[str]] | None = None) -> None:
    """Raises `AssetError` with every fault: dangling references, unknown columns and metrics,
    forbidden kinds of charts, a chart without Russian description, a dataset without caption.

    `contracts` gives the columns of each mart (see `contracts.py`); a mart that it lacks is a
    fault.
    """
    errors: list[str] = []
    for key, dataset in assets.datasets.items():
        name = f"datasets/{key}.yaml"
        if dataset.get("database_uuid") not in assets.databases:
            errors.append(f"{name}: database_uuid {dataset.get('database_uuid')} is not declared")
        if CAPTION_METRIC not in dataset_metrics(dataset):
            errors.append(
                f"{name}: needs the metric «{CAPTION_METRIC}»"
                " (as of when, out of how many, unknown, OTHER)"
            )
        if dataset.get("main_dttm_col", "") not in {None, *dataset_columns(dataset)}:
            errors.append(f"{name}: main_dttm_col {dataset.get('main_dttm_col')} is not a column")
        errors += [
            f"{name}: column {column['column_name']} has no Russian name (verbose_name)"
            for column in dataset["columns"]
            if not re.search("[а-яё]", column.get("verbose_name") or "", re.I)
        ]
        if contracts is not None:
            errors += [f"{name}: {fault}" for fault in _contract_faults(dataset, contracts)]
    for key, chart in assets.charts.items():
        name = f"charts/{key}.yaml «{chart.get('slice_name')}»"
        dataset = assets.datasets.get(str(chart.get("dataset_uuid")), {})
        if not dataset:
            errors.append(f"{name}: dataset_uuid {chart.get('dataset_uuid')} is not declared")
            continue
        if chart["viz_type"] in FORBIDDEN_VIZ_TYPES or chart["viz_type"] != chart["params"].get(
            "viz_type"
        ):
            errors.append(
                f"{name}: viz_type {chart['viz_type']} is not allowed or differs from params"
            )
        if not re.search("[а-яё]", chart.get("description") or "", re.I):
            errors.append(f"{name}: needs a description in Russian")
        columns, metrics = chart_fields(chart)
        errors += [
            f"{name}: column {item} is not in the dataset"
            for item in sorted(columns - dataset_columns(dataset))
        ]
        errors += [
            f"{name}: metric {item} is not in the dataset"
            for item in sorted(metrics - set(dataset_metrics(dataset)))
        ]
    for key, dashboard in assets.dashboards.items():
        name = f"dashboards/{key}.yaml"
        if dashboard["metadata"].get("color_scheme"):
            errors.append(f"{name}: no colour scheme here, it repaints the charts")
        for chart_uuid in charts_of(dashboard):
            if chart_uuid not in assets.charts:
                errors.append(f"{name}: chart {chart_uuid} is not declared")
        errors += _filter_faults(name, dashboard, assets)
    if errors:
        raise AssetError("\n".join(errors))


def charts_of(dashboard: Mapping[str, Any]) -> list[str]:
    """UUIDs of the charts in the dashboard's layout, in the order of the file."""
    return [
        node["meta"]["uuid"]
        for node in dashboard["position"].values()
        if isinstance(node, dict) and node.get("type") == "CHART"
    ]


def caption_uuid(chart_uuid: str) -> str:
    """The UUID of a chart's caption, always the same for the same chart."""
    return str(uuid.uuid5(uuid.UUID(chart_uuid), "caption"))


def filters_without_effect(dashboard: Mapping[str, Any], dataset: Mapping[str, Any]) -> list[str]:
    """Names of the dashboard's filters whose column the dataset does not have."""
    return [
        item["name"]
        for item in dashboard["metadata"].get("native_filter_configuration", [])
        if not _acts_on(item, dataset)
    ]


def _acts_on(item: Mapping[str, Any], dataset: Mapping[str, Any]) -> bool:
    """A dataset without a time column (`main_dttm_col: null`) shows the present: no period."""
    if item["filterType"] == PERIOD_FILTER_TYPE:
        return dataset["main_dttm_col"] is not None
    return {target["column"]["name"] for target in item["targets"]} <= dataset_columns(dataset)


def complete(assets: Assets, *, default_period: str | None = None) -> Assets:
    """The assets as they are imported: captions under the charts, scopes of the filters, and the
    period that the filter starts with (`YYYY-MM-DD : YYYY-MM-DD`, or None for everything)."""
    done = copy.deepcopy(assets)
    for kind in KINDS:
        for config in done.kind(kind).values():
            config["is_managed_externally"] = True
    for dashboard in done.dashboards.values():
        _add_captions(dashboard, done)
        _limit_filters(dashboard, done)
        for item in dashboard["metadata"].get("native_filter_configuration", []):
            if item["filterType"] == PERIOD_FILTER_TYPE and default_period:
                item["defaultDataMask"] = {
                    "extraFormData": {"time_range": default_period},
                    "filterState": {"value": default_period},
                    "ownState": {},
                }
    return done


def bundle(assets: Assets, addresses: Mapping[str, str]) -> dict[str, str]:
    """Contents for Superset's importer: file name to YAML. `addresses` maps a database's UUID to
    its real SQLAlchemy URL, which replaces the placeholder only here, in memory."""
    files = {
        "metadata.yaml": "version: 1.0.0\ntype: assets\ntimestamp: '2026-01-01T00:00:00+00:00'\n"
    }
    for kind in KINDS:
        for key, config in assets.kind(kind).items():
            written = {**config}
            if kind == "databases":
                if key not in addresses:
                    raise AssetError(
                        f"databases/{key}.yaml «{config['database_name']}»: no address given"
                    )
                written["sqlalchemy_uri"] = addresses[key]
            files[f"{kind}/{key}.yaml"] = yaml.safe_dump(
                written, allow_unicode=True, sort_keys=False
            )
    return files


def _add_captions(dashboard: dict[str, Any], assets: Assets) -> None:
    position = dashboard["position"]
    nodes = [
        node for node in position.values() if isinstance(node, dict) and node.get("type") == "CHART"
    ]
    for number, node in enumerate(nodes, start=1):
        chart = assets.charts[node["meta"]["uuid"]]
        dataset = assets.datasets[str(chart["dataset_uuid"])]
        caption = _caption(chart, dataset, filters_without_effect(dashboard, dataset))
        assets.charts[caption["uuid"]] = caption
        parent = position[node["parents"][-1]]
        column_id, caption_id = f"COLUMN-{node['id']}", f"CAPTION-{node['id']}"
        parent["children"] = [
            column_id if child == node["id"] else child for child in parent["children"]
        ]
        position[column_id] = {
            "type": "COLUMN",
            "id": column_id,
            "children": [node["id"], caption_id],
            "parents": list(node["parents"]),
            "meta": {"width": node["meta"]["width"], "background": "BACKGROUND_WHITE"},
        }
        node["parents"] = [*node["parents"], column_id]
        # Temporary numbers: the importer puts the real ids in, also in the filters' scopes.
        node["meta"]["chartId"] = 2 * number - 1
        position[caption_id] = {
            "type": "CHART",
            "id": caption_id,
            "children": [],
            "parents": list(node["parents"]),
            "meta": {
                "uuid": caption["uuid"],
                "chartId": 2 * number,
                "width": node["meta"]["width"],
                "height": _caption_height(
                    node["meta"]["width"], caption["params"]["metrics"][0]["sqlExpression"]
                ),
                "sliceName": caption["slice_name"],
            },
        }


def _caption_height(width: int, expression: str) -> int:
    """Grid units (8 px) for the caption's sentence in a column of `width` twelfths.

    About 18 letters of a line fit a twelfth; the fixed words are counted, figures and
    names take some sixty letters more, a list of names another hundred."""
    words = [text for text in re.findall(r"'([^']*)'", expression) if re.search("[а-я]", text)]
    letters = 60 + 100 * expression.count("string_agg") + sum(map(len, words))
    lines = -(-letters // (18 * width))
    return 5 + -(-17 * lines // 8)


def _caption(
    chart: Mapping[str, Any], dataset: Mapping[str, Any], without_effect: Iterable[str]
) -> dict[str, Any]:
    expression = dataset_metrics(dataset)[CAPTION_METRIC].strip()
    names = [f"«{name}»" for name in without_effect]
    if names:
        verb = (
            "Фильтр {} здесь не действует" if len(names) == 1 else "Фильтры {} здесь не действуют"
        )
        expression = f"({expression}) || ' {verb.format(', '.join(names))}.'"
    return {
        "slice_name": CAPTION_PREFIX + chart["slice_name"],
        "description": "Когда и на чём построена диаграмма над этой подписью.",
        "viz_type": "table",
        "params": {
            "viz_type": "table",
            "query_mode": "aggregate",
            "groupby": [],
            "metrics": [
                {
                    "expressionType": "SQL",
                    "sqlExpression": expression,
                    "label": "Основание",
                    "hasCustomLabel": True,
                    "optionName": "metric_caption",
                }
            ],
            "all_columns": [],
            "percent_metrics": [],
            "order_by_cols": [],
            "row_limit": 10,
            "server_page_length": 10,
            "include_search": False,
            "show_cell_bars": False,
            "adhoc_filters": copy.deepcopy(chart["params"].get("adhoc_filters", [])),
        },
        "cache_timeout": None,
        "uuid": caption_uuid(chart["uuid"]),
        "version": chart["version"],
        "dataset_uuid": chart["dataset_uuid"],
        "is_managed_externally": True,
    }


def _limit_filters(dashboard: dict[str, Any], assets: Assets) -> None:
    placed = [
        (node["meta"]["chartId"], assets.charts[node["meta"]["uuid"]])
        for node in dashboard["position"].values()
        if isinstance(node, dict) and node.get("type") == "CHART"
    ]
    for item in dashboard["metadata"].get("native_filter_configuration", []):
        item["scope"]["excluded"] = [
            number
            for number, chart in placed
            if not _acts_on(item, assets.datasets[str(chart["dataset_uuid"])])
        ]


def _filter_faults(name: str, dashboard: Mapping[str, Any], assets: Assets) -> list[str]:
    faults = []
    for item in dashboard["metadata"].get("native_filter_configuration", []):
        for target in item["targets"]:
            dataset = assets.datasets.get(target.get("datasetUuid", ""), None)
            if target and dataset is None:
                faults.append(f"{name}: filter «{item['name']}» names an undeclared dataset")
            elif dataset is not None and target["column"]["name"] not in dataset_columns(dataset):
                faults.append(
                    f"{name}: filter «{item['name']}»: no column {target['column']['name']}"
                )
    return faults


def _contract_faults(dataset: Mapping[str, Any], contracts: Mapping[str, set[str]]) -> list[str]:
    """Columns read from a mart that the mart's contract does not have."""
    marts = dataset["extra"]["marts"]
    missing = [f"the mart {mart} has no contract" for mart in marts if mart not in contracts]
    if missing:
        return missing
    if not dataset.get("sql"):
        read = {
            column["column_name"] for column in dataset["columns"] if not column.get("expression")
        }
        return [f"{marts[0]} has no column {item}" for item in sorted(read - contracts[marts[0]])]
    # A query of ours names every column with its table's alias, so that this check can be made.
    by_alias = {alias: mart for mart, alias in re.findall(r"marts\.(\w+) as (\w+)", dataset["sql"])}
    return [
        f"{by_alias[alias]} has no column {item}"
        for alias, item in sorted(set(re.findall(r"\b(\w+)\.(\w+)\b", dataset["sql"])))
        if alias in by_alias and item not in contracts[by_alias[alias]]
    ]
