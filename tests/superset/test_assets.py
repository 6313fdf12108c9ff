"""The assets as files: complete, consistent with the marts, without secrets."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from tsur_superset import assets, contracts
from tsur_superset.query_context import UnknownChartKind, build

from stack.settings import REPOSITORY

DECLARED = assets.load()
CONTRACTS = contracts.from_model_files(REPOSITORY / "dbt_project" / "models" / "marts")
OVERVIEW = next(d for d in DECLARED.dashboards.values() if d["slug"] == "overview")
FILTER_NAMES = ["Период", "Регион", "Блок", "Орган", "Муниципалитет", "Канал"]


def test_every_asset_agrees_with_the_others_and_with_the_contracts_of_the_marts() -> None:
    assert {"mart_block_workload", "mart_deadline_compliance", "mart_agency_rating"} <= set(
        CONTRACTS
    )
    assets.check(DECLARED, CONTRACTS)


def test_the_overview_has_at_least_nine_charts_over_all_three_marts() -> None:
    charts = [DECLARED.charts[key] for key in assets.charts_of(OVERVIEW)]
    assert len({chart["slice_name"] for chart in charts}) >= 9
    marts = {DECLARED.datasets[chart["dataset_uuid"]]["extra"]["marts"][0] for chart in charts}
    assert {"mart_block_workload", "mart_deadline_compliance", "mart_agency_rating"} <= marts


def test_the_overview_has_the_six_filters_of_an_official() -> None:
    filters = OVERVIEW["metadata"]["native_filter_configuration"]
    assert [item["name"] for item in filters] == FILTER_NAMES


def test_no_asset_shows_a_code_where_a_name_is_meant() -> None:
    for chart in DECLARED.charts.values():
        columns, _ = assets.chart_fields(chart)
        assert not {name for name in columns if name.endswith("_code")}, chart["slice_name"]


def test_every_chart_of_every_dashboard_has_a_caption_directly_below_it() -> None:
    complete = assets.complete(DECLARED)
    for key, dashboard in complete.dashboards.items():
        position = dashboard["position"]
        for uuid in assets.charts_of(DECLARED.dashboards[key]):
            node = next(
                n
                for n in position.values()
                if isinstance(n, dict) and n.get("meta", {}).get("uuid") == uuid
            )
            below = position[position[node["parents"][-1]]["children"][1]]
            assert below["meta"]["uuid"] == assets.caption_uuid(uuid)
            caption = complete.charts[assets.caption_uuid(uuid)]
            chart = complete.charts[uuid]
            assert caption["slice_name"] == f"Основание: {chart['slice_name']}"
            assert caption["dataset_uuid"] == chart["dataset_uuid"]
            assert caption["params"]["adhoc_filters"] == chart["params"]["adhoc_filters"]


def test_a_caption_is_made_of_the_moment_the_total_and_the_shares_without_a_block() -> None:
    for dataset in DECLARED.datasets.values():
        if dataset["table_name"] == "mart_source_freshness":
            continue  # it counts loads, which have no block
        expression = assets.dataset_metrics(dataset)["caption"]
        assert "as_of" in expression
        assert "'unknown'" in expression
        assert "'OTHER'" in expression
        assert re.search(r"sum\((cycles|intake|open_cases|answered_cycles|n)\)", expression)


@pytest.mark.parametrize(
    ("dataset", "names"),
    [
        ("deadline_compliance", []),
        ("mart_block_workload", ["Орган", "Муниципалитет", "Канал"]),
        ("agency_rating_latest_quarter", ["Муниципалитет", "Канал"]),
        ("mart_source_freshness", [name for name in FILTER_NAMES if name != "Регион"]),
    ],
)
def test_filters_that_a_mart_does_not_have_are_named_and_kept_off_its_charts(
    dataset: str, names: list[str]
) -> None:
    found = next(d for d in DECLARED.datasets.values() if d["table_name"] == dataset)
    assert assets.filters_without_effect(OVERVIEW, found) == names
    complete = assets.complete(DECLARED)
    dashboard = complete.dashboards[OVERVIEW["uuid"]]
    numbers = {
        node["meta"]["uuid"]: node["meta"]["chartId"]
        for node in dashboard["position"].values()
        if isinstance(node, dict) and node.get("type") == "CHART"
    }
    for chart in (c for c in complete.charts.values() if c["dataset_uuid"] == found["uuid"]):
        excluding = [
            item["name"]
            for item in dashboard["metadata"]["native_filter_configuration"]
            if numbers[chart["uuid"]] in item["scope"]["excluded"]
        ]
        assert excluding == names
        if chart["slice_name"].startswith(assets.CAPTION_PREFIX):
            sql = chart["params"]["metrics"][0]["sqlExpression"]
            assert all(f"«{name}»" in sql.rsplit("||", 1)[1] for name in names)


def test_whether_the_data_came_is_read_and_never_judged_by_a_chart() -> None:
    dataset = next(
        d for d in DECLARED.datasets.values() if d["table_name"] == "mart_source_freshness"
    )
    assert not re.search(r"[<>]|now\(|error_hours *[-+]|0\.7", dataset["sql"])
    (chart,) = (c for c in DECLARED.charts.values() if c["dataset_uuid"] == dataset["uuid"])
    params = chart["params"]
    assert {"freshness_name", "volume_label", "age_hours"} <= set(params["all_columns"])
    coloured = {item["targetValue"] for item in params["conditional_formatting"]}
    model = REPOSITORY / "dbt_project/models/marts/reports/mart_source_freshness.sql"
    names = set(re.findall(r"then '([а-я ]+)'", model.read_text("utf-8")))
    assert coloured <= names
    assert {"просрочено", "опаздывает", "не загружался", "ниже обычного"} <= coloured


def _semantic(kind: str) -> list[dict[str, Any]]:
    """Definitions of the semantic layer: `metrics` or `semantic_models`."""
    folder = REPOSITORY / "dbt_project" / "models" / "marts" / "semantic"
    return [
        one
        for path in folder.glob("*.yml")
        for one in yaml.safe_load(path.read_text("utf-8")).get(kind, [])
    ]


def test_a_chart_computes_a_metric_as_the_semantic_layer_defines_it() -> None:
    declared = [
        measure for model in _semantic("semantic_models") for measure in model.get("measures", [])
    ]
    measures = {measure["name"]: f"{measure['agg']}({measure['expr']})" for measure in declared}
    # A measure may be a metric by itself.
    metrics = {
        measure["name"]: {"type": "simple", "type_params": {"measure": {"name": measure["name"]}}}
        for measure in declared
        if measure.get("create_metric")
    } | {metric["name"]: metric for metric in _semantic("metrics")}

    def expression(name: str) -> str:
        given = metrics[name]["type_params"]
        if metrics[name]["type"] == "ratio":
            return f"{expression(given['numerator'])}/nullif({expression(given['denominator'])},0)"
        return measures[given["measure"]["name"]]

    shown = {
        metric["metric_name"]: metric["expression"].replace("::numeric", "").replace(" ", "")
        for dataset in DECLARED.datasets.values()
        for metric in dataset["metrics"]
        if metric["metric_name"] in metrics
    }
    assert shown.keys() >= {"compliance_share", "backlog_days_total", "intake_cases"}
    assert shown == {name: expression(name) for name in shown}


def test_a_rating_is_read_and_never_computed_by_a_chart() -> None:
    rating = next(
        d for d in DECLARED.datasets.values() if d["table_name"] == "agency_rating_latest_quarter"
    )
    assert not re.search(r"\b(dense_rank|rank|row_number)\s*\(", rating["sql"])
    chart = next(c for c in DECLARED.charts.values() if c["slice_name"] == "Рейтинг органов")
    assert chart["params"]["query_mode"] == "raw"
    assert {"rank_label", "tier_label", "interval_label"} <= set(chart["params"]["all_columns"])


def test_the_bundle_holds_a_real_address_only_in_memory_and_passes_nothing_else_on() -> None:
    complete = assets.complete(DECLARED)
    addresses = {key: f"postgresql+psycopg2://u:p@h/{key}" for key in DECLARED.databases}
    files = assets.bundle(complete, addresses)
    assert yaml.safe_load(files["metadata.yaml"])["type"] == "assets"
    for name, text in files.items():
        assert ("://u:p@h/" in text) is name.startswith("databases/")
    for path in assets.ASSETS.rglob("*.yaml"):
        assert "://u:p@" not in path.read_text("utf-8")
    with pytest.raises(assets.AssetError, match="no address given"):
        assets.bundle(complete, {})


def test_the_period_filter_starts_with_the_given_period_and_otherwise_with_everything() -> None:
    def value(complete: assets.Assets) -> Any:
        filters = complete.dashboards[OVERVIEW["uuid"]]["metadata"]["native_filter_configuration"]
        return filters[0]["defaultDataMask"]["filterState"].get("value")

    assert value(assets.complete(DECLARED)) is None
    period = "2025-12-01 : 2026-12-01"
    assert value(assets.complete(DECLARED, default_period=period)) == period


def _break_column(found: assets.Assets) -> None:
    filtered = next(c["params"] for c in found.charts.values() if c["params"]["adhoc_filters"])
    filtered["adhoc_filters"][0]["subject"] = "no_such_column"


def _break_dataset(found: assets.Assets) -> None:
    next(iter(found.charts.values()))["dataset_uuid"] = "00000000-0000-0000-0000-000000000000"


def _break_caption(found: assets.Assets) -> None:
    next(iter(found.datasets.values()))["metrics"] = []


def _break_kind(found: assets.Assets) -> None:
    next(iter(found.charts.values()))["viz_type"] = "country_map"


def _break_colours(found: assets.Assets) -> None:
    next(iter(found.dashboards.values()))["metadata"]["color_scheme"] = "supersetColors"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_break_column, "column no_such_column is not in the dataset"),
        (_break_dataset, "is not declared"),
        (_break_caption, "needs the metric «caption»"),
        (_break_kind, "country_map is not allowed"),
        (_break_colours, "no colour scheme here"),
    ],
)
def test_a_damaged_asset_is_refused_with_its_file_and_reason(
    damage: Callable[[assets.Assets], None], message: str
) -> None:
    damaged = copy.deepcopy(DECLARED)
    damage(damaged)
    with pytest.raises(assets.AssetError, match=re.escape(message)) as caught:
        assets.check(damaged)
    assert re.search(r"[0-9a-f]{8}-[0-9a-f-]{27}\.yaml", str(caught.value))


def test_a_column_that_a_mart_lost_is_named() -> None:
    poorer = {**CONTRACTS, "mart_agency_rating": CONTRACTS["mart_agency_rating"] - {"tier"}}
    with pytest.raises(assets.AssetError, match="mart_agency_rating has no column tier"):
        assets.check(DECLARED, poorer)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "{0}.yaml",
            "uuid: {0}\nsqlalchemy_uri: postgresql://a:secret@h/d\n",
            "looks like a secret",
        ),
        ("{0}.yaml", "uuid: {0}\nchanged_on: 2026-01-01\n", "remove changed_on"),
        ("chart.yaml", "uuid: {0}\n", "must be named by its uuid"),
        ("{0}.yaml", "uuid: [\n", "not YAML"),
    ],
)
def test_a_file_with_a_secret_noise_or_a_wrong_name_is_refused(
    tmp_path: Path, name: str, text: str, message: str
) -> None:
    key = "11111111-1111-4111-8111-111111111111"
    (tmp_path / "charts").mkdir()
    (tmp_path / "charts" / name.format(key)).write_text(text.format(key))
    with pytest.raises(assets.AssetError, match=message):
        assets.load(tmp_path)


def test_a_uuid_used_twice_is_refused(tmp_path: Path) -> None:
    key = "11111111-1111-4111-8111-111111111111"
    for kind in ("charts", "datasets"):
        (tmp_path / kind).mkdir()
        (tmp_path / kind / f"{key}.yaml").write_text(f"uuid: {key}\n")
    with pytest.raises(assets.AssetError, match="also used by"):
        assets.load(tmp_path)


def test_every_chart_has_a_query_and_an_unknown_kind_is_refused() -> None:
    for chart in assets.complete(DECLARED).charts.values():
        query = build(chart["params"], dataset_id=1)["queries"][0]
        assert query["columns"] or query["metrics"]
        has_period = DECLARED.datasets[chart["dataset_uuid"]]["main_dttm_col"] is not None
        expected = ["TEMPORAL_RANGE"] if has_period else []
        assert [item["op"] for item in query["filters"]] == expected
    with pytest.raises(UnknownChartKind):
        build({"viz_type": "bubble"}, dataset_id=1)


def test_the_own_catalogue_translates_every_phrase_and_keeps_its_placeholders() -> None:
    phrases = json.loads((REPOSITORY / "superset" / "translations" / "ru.json").read_text("utf-8"))
    assert phrases["Filters and controls"] == "Фильтры"
    for phrase, text in phrases.items():
        assert text.strip()
        found = re.findall(r"%\(\w+\)[sd]|%[sd]", phrase)
        assert sorted(found) == sorted(re.findall(r"%\(\w+\)[sd]|%[sd]", text)), phrase


def test_the_repository_root_cannot_shadow_the_package() -> None:
    assert not (REPOSITORY / "superset" / "__init__.py").exists()
