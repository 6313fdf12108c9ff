"""What the dbt project promises about its own shape, read from its manifest."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from ingestion.source import Entity

REPOSITORY = Path(__file__).resolve().parents[2]
SOURCES = REPOSITORY / "ingestion" / "sources"
LAYERS = ("staging", "intermediate", "marts_kept", "marts", "marts_public")
# What a model may read, besides models of its own layer.
BELOW = {
    "staging": {"raw"},
    "intermediate": {"staging", "reference", "nlp", "ops"},
    # What is kept of marts, and the views and sums over it, are one layer.
    "marts_kept": {"intermediate", "marts"},
    "marts": {"intermediate", "marts_kept"},
    "marts_public": {"marts", "marts_kept"},
}

pytestmark = pytest.mark.server


def models(manifest: dict[str, Any], layer: str | None = None) -> list[dict[str, Any]]:
    nodes = [n for n in manifest["nodes"].values() if n["resource_type"] == "model"]
    return [n for n in nodes if layer is None or n["schema"] == layer]


def schema_of(manifest: dict[str, Any], unique_id: str) -> str:
    node = manifest["nodes"].get(unique_id) or manifest["sources"][unique_id]
    return str(node["schema"])


def test_every_model_reads_only_its_own_layer_and_the_one_below(manifest: dict[str, Any]) -> None:
    upward = [
        (model["name"], parent)
        for model in models(manifest)
        for parent in model["depends_on"]["nodes"]
        if schema_of(manifest, parent) not in BELOW[model["schema"]] | {model["schema"]}
        and not (schema_of(manifest, parent) == "raw" and "reads_raw" in model["config"]["meta"])
    ]
    assert upward == []


def test_one_model_alone_reads_raw_past_staging(manifest: dict[str, Any]) -> None:
    readers = {m["name"] for m in models(manifest) if "reads_raw" in m["config"]["meta"]}
    assert readers == {"int_case_changes"}


def test_the_log_of_changes_watches_every_table_that_cases_are_made_of(
    manifest: dict[str, Any],
) -> None:
    nodes = manifest["nodes"]
    staged = {
        parent
        for name in ("int_records_unioned", "int_case_cards", "int_case_history")
        for parent in nodes[f"model.tsur.{name}"]["depends_on"]["nodes"]
        if parent.startswith("model.tsur.stg_")
    }
    made_of = {parent for name in staged for parent in nodes[name]["depends_on"]["nodes"]}
    watched = {
        parent
        for parent in nodes["model.tsur.int_case_changes"]["depends_on"]["nodes"]
        if parent.startswith("source.") and schema_of(manifest, parent) == "raw"
    }
    assert watched == made_of


def test_a_staging_model_reads_its_source_and_nothing_else(manifest: dict[str, Any]) -> None:
    for model in models(manifest, "staging"):
        parents = model["depends_on"]["nodes"]
        assert len(parents) == 1, model["name"]
        assert model["name"] == "stg_" + manifest["sources"][parents[0]]["name"]
        assert model["config"]["materialized"] == "view"


def test_every_table_of_a_source_that_dbt_knows_has_its_staging_model(
    manifest: dict[str, Any],
) -> None:
    """Any other source lands in raw until dbt is told of it (docs/decisions.md, 15)."""
    staged = {model["name"].removeprefix("stg_") for model in models(manifest, "staging")}
    known = {s["source_name"] for s in manifest["sources"].values() if s["schema"] == "raw"}
    declared = {
        entity["table"]
        for path in SOURCES.glob("*.yml")
        if path.stem in known
        for entity in yaml.safe_load(path.read_text(encoding="utf-8"))["entities"].values()
    }
    assert declared == staged


def test_every_kind_of_record_that_a_source_can_declare_has_a_name() -> None:
    with (REPOSITORY / "dbt_project/seeds/record_kinds.csv").open(encoding="utf-8") as lines:
        named = {row["record_kind"] for row in csv.DictReader(lines)}
    fields = Entity.model_fields
    kinds = get_args(next(one for one in get_args(fields["kind"].annotation) if get_args(one)))
    assert named == {*get_args(fields["role"].annotation), *kinds}


def test_the_seed_of_sources_agrees_with_their_declarations(manifest: dict[str, Any]) -> None:
    # Other sources land in raw and wait for their models.
    known = {s["source_name"] for s in manifest["sources"].values() if s["schema"] == "raw"}
    seed = REPOSITORY / "dbt_project" / "seeds" / "data_sources.csv"
    with seed.open(encoding="utf-8") as lines:
        modes = {row["source_code"]: row["deadline_mode"] for row in csv.DictReader(lines)}
    for path in SOURCES.glob("*.yml"):
        declared = yaml.safe_load(path.read_text(encoding="utf-8"))
        roles = {entity["role"] for entity in declared["entities"].values()}
        if "case" in roles and path.stem in known:
            assert modes[path.stem] == declared["deadline"], path.stem


def test_every_mart_column_is_described_in_russian_and_english(manifest: dict[str, Any]) -> None:
    for model in models(manifest, "marts"):
        assert model["description"].count(" / ") >= 1, model["name"]
        for column in model["columns"].values():
            russian, _, english = column["description"].partition(" / ")
            assert any("а" <= letter <= "я" for letter in russian.lower()), column
            assert any("a" <= letter <= "z" for letter in english.lower()), column


def test_every_mart_has_a_contract_an_owner_and_tests(manifest: dict[str, Any]) -> None:
    tested = {
        parent
        for node in manifest["nodes"].values()
        if node["resource_type"] == "test"
        for parent in node["depends_on"]["nodes"]
    }
    for model in models(manifest, "marts"):
        assert model["contract"]["enforced"], model["name"]
        assert model["group"] == "warehouse", model["name"]
        assert model["config"]["meta"]["owner"], model["name"]
        assert model["unique_id"] in tested, model["name"]


def test_every_mart_tells_its_moment_and_its_versions(manifest: dict[str, Any]) -> None:
    """Facts, dimensions and kept rows are what marts are made of: `dim_regions.as_of` is theirs."""
    told = {"as_of", "metric_version", "config_version"}
    marts = [m for m in models(manifest, "marts") if m["name"].startswith(("mart_", "agg_"))]
    marts += models(manifest, "marts_public")
    assert marts
    assert [m["name"] for m in marts if not told <= m["columns"].keys()] == []


# Tests that may warn without stopping a build, each with its reason. There is none: what must not
# stop a build is a check of expectations/, whose findings are rows that people read.
EXPECTED_TO_WARN: dict[str, str] = {}


def test_only_tests_of_the_committed_list_may_warn(manifest: dict[str, Any]) -> None:
    tests = [n for n in manifest["nodes"].values() if n["resource_type"] == "test"]
    assert len(tests) > 300
    warn = {t["name"] for t in tests if t["config"]["severity"].lower() != "error"}
    warn |= {t["name"] for t in tests if t["config"]["warn_if"] != t["config"]["error_if"]}
    assert warn == set(EXPECTED_TO_WARN)


def test_no_build_takes_away_what_a_mart_stands_on(manifest: dict[str, Any]) -> None:
    """PostgreSQL drops the views of a table or view that is made anew, so no view of a mart reads
    one."""
    gone = [
        f"{view['name']} reads {parent['name']}"
        for schema in ("marts", "marts_public")
        for view in models(manifest, schema)
        if view["config"]["materialized"] == "view"
        for parent in map(manifest["nodes"].get, view["depends_on"]["nodes"])
        if parent is not None and parent["config"]["materialized"] in ("table", "view")
    ]
    assert gone == []


def test_every_column_of_the_marts_is_held_to_something(manifest: dict[str, Any]) -> None:
    """A test of the column, a constraint, or its name in what a test of the model says. A view
    over kept rows has the constraints of these."""
    kept = {model["unique_id"]: model for model in models(manifest, "marts_kept")}
    tests = [n for n in manifest["nodes"].values() if n["resource_type"] == "test"]
    unheld = []
    for model in models(manifest, "marts"):
        mine = [test for test in tests if model["unique_id"] in test["depends_on"]["nodes"]]
        tested = {t["column_name"] for t in mine if t.get("attached_node") == model["unique_id"]}
        said = " ".join(
            str(test["test_metadata"]["kwargs"]) if test.get("test_metadata") else test["raw_code"]
            for test in mine
            if not test.get("column_name")
        )
        under = [kept[one] for one in model["depends_on"]["nodes"] if one in kept]
        for one in (model, *under):
            said += " ".join(str(constraint["expression"]) for constraint in one["constraints"])
            tested |= {name for name, column in one["columns"].items() if column["constraints"]}
        words = set(re.findall(r"\w+", said))
        unheld += [
            f"{model['name']}.{name}" for name in model["columns"] if name not in tested | words
        ]
    assert unheld == []


def test_a_mart_takes_its_label_from_the_module_that_the_seed_gives_it(
    manifest: dict[str, Any],
) -> None:
    with (REPOSITORY / "dbt_project/seeds/mart_modules.csv").open(encoding="utf-8") as lines:
        modules = {row["mart"]: row["module_code"] for row in csv.DictReader(lines)}
    labelled = [m for m in models(manifest, "marts") if m["name"].startswith(("mart_", "agg_"))]
    labelled = [m for m in labelled if "module_label" in m["columns"]]
    assert labelled
    for model in labelled:
        assert "model.tsur.dim_region_modules" in model["depends_on"]["nodes"], model["name"]
        assert f"'{modules[model['name']]}'" in model["raw_code"], model["name"]


def test_officials_are_granted_aggregates_and_dimensions_only(manifest: dict[str, Any]) -> None:
    # Distinct people of slices stand for no block: what an official sees ends at his own.
    of_people = {"agg_appeals_people", "agg_appeals_surplus"}
    for model in models(manifest, "marts"):
        granted = set(model["config"]["grants"]["select"])
        is_closed = model["name"].startswith("fct_") or model["name"] in of_people
        assert ("tsur_official" in granted) != is_closed, model["name"]


def test_the_two_groups_of_the_warehouse_are_told_apart_by_enrichment(
    manifest: dict[str, Any],
) -> None:
    reads_nlp: set[str] = set()
    for model in models(manifest):
        parents = model["depends_on"]["nodes"]
        if any(parent.startswith("source.tsur.nlp.") for parent in parents):
            reads_nlp.add(model["unique_id"])
    for model in models(manifest):
        tags = {"before_enrichment", "after_enrichment"} & set(model["tags"])
        assert len(tags) == 1, model["name"]
        if tags == {"before_enrichment"}:
            assert model["unique_id"] not in reads_nlp
            for parent in model["depends_on"]["nodes"]:
                parent_tags = manifest["nodes"].get(parent, {}).get("tags", [])
                assert "after_enrichment" not in parent_tags, (model["name"], parent)


def test_a_test_of_the_first_group_never_waits_for_the_second(manifest: dict[str, Any]) -> None:
    """`--select tag:before_enrichment` also picks the tests that touch a selected model."""
    for node in manifest["nodes"].values():
        if node["resource_type"] != "test":
            continue
        every = {**manifest["nodes"], **manifest["sources"]}
        parents = [every[parent] for parent in node["depends_on"]["nodes"]]
        groups = {
            tag for parent in parents for tag in parent["tags"] if tag.endswith("_enrichment")
        }
        assert len(groups) <= 1, node["name"]


def test_the_dashboard_is_declared_as_an_exposure(manifest: dict[str, Any]) -> None:
    names = {exposure["name"]: exposure for exposure in manifest["exposures"].values()}
    assert (
        "model.tsur.mart_deadline_compliance"
        in (names["official_dashboard"]["depends_on"]["nodes"])
    )
