"""Recorded answers of real cities land through the public command, or are refused with a reason.

What is expected is read from the files by the standard library alone.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import psycopg
import pytest
import responses

from ingestion.ingest import IngestionFailed, ingest, prepare_sources
from ingestion.ledger import LoadCounts
from ingestion.source import SOURCES_FOLDER, Source, Window, load_source
from stack.database import Warehouse

pytestmark = [pytest.mark.real, pytest.mark.server]

VAULT_KEY = "dGVzdC1rZXktb2YtdGhlLXZhdWx0LTMyLWJ5dGVzISE="
Query = Callable[..., list[tuple[Any, ...]]]


@pytest.fixture(scope="module")
def recorded(real_data: Path) -> Path:
    return real_data / "municipal" / "open311"


def run(warehouse: Warehouse, source: Source, window: Window | None = None) -> list[LoadCounts]:
    prepare_sources(warehouse.url("loader"), [source])
    try:
        return ingest(
            source,
            database_url=warehouse.url("loader"),
            vault_key=VAULT_KEY,
            run_id="real",
            window=window,
        )
    except IngestionFailed as failure:
        return failure.loads


@pytest.fixture(scope="module")
def loads(warehouse: Warehouse, recorded: Path) -> dict[str, LoadCounts]:
    environment = {"TSUR_OPEN311_RECORDED": str(recorded)}
    source = load_source(SOURCES_FOLDER / "open311_recorded.yml", environment)
    return {str(one.file_name): one for one in run(warehouse, source)}


@pytest.fixture
def query(warehouse: Warehouse) -> Query:
    def rows(statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(warehouse.url("loader")) as connection:
            return connection.execute(statement, parameters).fetchall()

    return rows


def elements(path: Path) -> list[dict[str, str | None]]:
    """The children of the root, each as name and text of its own children."""
    return [
        {child.tag: child.text for child in record} for record in ElementTree.parse(path).getroot()
    ]


def answers(recorded: Path) -> dict[str, Path]:
    """Every recorded answer; schemas and the list of cities are none, discovery is not loaded."""
    found = [*(recorded / "node-mocks").iterdir(), *(recorded / "status-fixtures").iterdir()]
    return {
        path.name: path
        for path in found
        if path.name != "cities.json" and "discovery" not in path.name
    }


def test_every_recorded_answer_is_loaded_once_and_balanced(
    loads: dict[str, LoadCounts], recorded: Path
) -> None:
    assert set(loads) == set(answers(recorded))
    assert all(one.is_balanced for one in loads.values())


def test_every_answer_has_as_many_rows_as_its_file_has_records(
    loads: dict[str, LoadCounts], recorded: Path
) -> None:
    for name, path in answers(recorded).items():
        if path.suffix == ".json":
            expected = len(json.loads(path.read_text(encoding="utf-8")))
        else:
            root = ElementTree.parse(path).getroot()
            expected = 1 if root.tag in ("service_definition", "errors") else len(root)
        assert loads[name].rows_read == expected, name


def test_requests_land_with_what_their_files_say(
    loads: dict[str, LoadCounts], recorded: Path, query: Query
) -> None:
    expected: dict[tuple[str, str], dict[str, Any]] = {}
    for name, path in answers(recorded).items():
        if name.endswith("service_requests.json"):
            for item in json.loads(path.read_text(encoding="utf-8")):
                expected["chicago", item["service_request_id"]] = item
        elif "request" in name and path.suffix == ".xml":
            region = "toronto" if "requests_" in name else "standard_requests"
            for item in elements(path):
                if item.get("status"):
                    expected[region, str(item["service_request_id"])] = item
    found = {
        (region, native_id): record
        for region, native_id, record in query(
            "select region_code, native_id, record from raw.open311_recorded_requests"
        )
    }
    assert set(found) == set(expected)
    for key, item in expected.items():
        record = found[key]
        assert record["status"] == item["status"]
        assert record["is_closed"] is (item["status"] == "closed")
        assert record["received_at"] == item["requested_datetime"]
        assert record.get("source_due_at") == item.get("expected_datetime")
        assert record.get("body") == (item.get("agency_responsible") or None)
        assert record["latitude"] == float(item["lat"])
        assert record["longitude"] == float(item["long"])
        closed = item["updated_datetime"] if item["status"] == "closed" else None
        assert record.get("closed_at") == closed


def test_services_of_cities_land_with_group_and_payload_whole(
    loads: dict[str, LoadCounts], recorded: Path, query: Query
) -> None:
    files = answers(recorded)
    for region, name in (
        ("washington_dc", "test__mocks__dc-services.xml"),
        ("giessen", "spec__fixtures__files__services_giessen.xml"),
    ):
        expected = {
            item["service_code"]: {
                field: text if text is None or text.strip() else None
                for field, text in item.items()
            }
            for item in elements(files[name])
        }
        found = dict(
            query(
                "select native_id, payload from raw.open311_recorded_services"
                " where region_code = %s",
                region,
            )
        )
        assert found == expected
        assert loads[name].outcome == "success"
    standard = json.loads(files["spec__fixtures__service_list.json"].read_text(encoding="utf-8"))
    assert query(
        "select count(*) from raw.open311_recorded_services where region_code = %s",
        "standard_services",
    ) == [(len(standard),)]


def test_a_definition_lands_with_every_attribute_and_value(
    loads: dict[str, LoadCounts], recorded: Path, query: Query
) -> None:
    root = ElementTree.parse(answers(recorded)["test__mocks__dc-services-S0301.xml"]).getroot()
    ((code, attributes),) = query(
        "select native_id, payload -> 'attributes' from raw.open311_recorded_definitions"
    )
    assert code == root.findtext("service_code")
    assert [
        (one["code"], [value["name"] for value in one["values"] or []]) for one in attributes
    ] == [
        (one.findtext("code"), [name.text for name in one.findall("values/value/name")])
        for one in root.findall("attributes/attribute")
    ]


def test_receipts_and_errors_are_refused_with_their_reason(
    loads: dict[str, LoadCounts], recorded: Path, query: Query
) -> None:
    refused = Counter(
        query(
            "select file_name, error_code from ops.quarantine"
            " where source_code = 'open311_recorded'"
        )
    )
    assert refused == Counter(
        {
            ("test__mocks__boston-err-submitrequest-base_is_duplicate.xml", "api_error"): 1,
            ("test__mocks__boston-submitrequest-token.xml", "receipt"): 1,
            ("test__mocks__token.xml", "receipt"): 1,
        }
    )
    error = answers(recorded)["test__mocks__boston-err-submitrequest-base_is_duplicate.xml"]
    told = ElementTree.parse(error).getroot().findtext("error/description")
    assert told
    assert told.rstrip(".") in str(loads[error.name].error_message)


def test_the_same_folder_again_changes_nothing(
    warehouse: Warehouse, recorded: Path, loads: dict[str, LoadCounts]
) -> None:
    environment = {"TSUR_OPEN311_RECORDED": str(recorded)}
    source = load_source(SOURCES_FOLDER / "open311_recorded.yml", environment)
    again = run(warehouse, source)
    assert sum(one.rows_landed + one.rows_tombstoned for one in again) == 0


@pytest.mark.parametrize(
    ("document", "endpoint", "requests"),
    [
        (
            "test__mocks__discovery-dc.xml",
            "http://app.311.dc.gov/cwi/Open311/v2/requests.xml",
            "node-mocks/test__mocks__service-requests.xml",
        ),
        (
            "test__mocks__discovery-boston.json",
            "https://mayors24.cityofboston.gov/open311/v2/requests.json",
            "status-fixtures/spec__fixtures__service_requests.json",
        ),
    ],
)
def test_a_city_is_found_from_its_own_discovery_document(
    warehouse: Warehouse,
    recorded: Path,
    tmp_path: Path,
    query: Query,
    document: str,
    endpoint: str,
    requests: str,
) -> None:
    origin, _, _ = endpoint.partition("/v2")
    url = f"{origin}/discovery{Path(document).suffix}"
    code = f"found_{Path(document).suffix[1:]}"
    path = tmp_path / f"{code}.yml"
    path.write_text(
        f"""
kind: open311
description: {{ru: Город по документу discovery, en: A city by its discovery document}}
owner: tests
tier: 3
freshness: {{warn_hours: 1, error_hours: 2}}
deadline: none
window: {{days: 1}}
regions: [{{code: city, time_zone: America/New_York, discovery: "{url}"}}]
entities:
  requests:
    table: {code}
    role: case
    kind: request
    key: service_request_id
    record: {{received_at: requested_datetime}}
""",
        encoding="utf-8",
    )
    source = load_source(path, {})
    window = Window(datetime(2014, 7, 1, tzinfo=UTC), datetime(2014, 7, 2, tzinfo=UTC))
    content = (recorded / requests).read_bytes()
    with responses.RequestsMock() as mock:
        mock.get(url, body=(recorded / "node-mocks" / document).read_bytes())
        mock.get(endpoint, body=content)
        (load,) = run(warehouse, source, window)
    expected = (
        len(json.loads(content))
        if requests.endswith(".json")
        else len(list(ElementTree.fromstring(content)))
    )
    assert (load.outcome, load.rows_landed) == ("success", expected)
    assert query(f"select count(*) from raw.{code}") == [(expected,)]


def test_the_standard_s_schema_names_no_field_that_is_lost(
    loads: dict[str, LoadCounts], recorded: Path, query: Query
) -> None:
    """Every property of the published JSON schema that a file fills stands in the payload."""
    schema = json.loads(
        (recorded / "georeport-v2-jsonschema/schema__georeport-v2__request.json").read_text("utf-8")
    )
    path = answers(recorded)["test__mocks__service-requests.xml"]
    filled = {
        (item["service_request_id"], name)
        for item in elements(path)
        for name in schema["properties"]
        if (item.get(name) or "").strip()
    }
    kept = {
        (native_id, name)
        for native_id, name in query(
            "select native_id, jsonb_object_keys(jsonb_strip_nulls(payload))"
            " from raw.open311_recorded_requests where region_code = %s",
            "standard_requests",
        )
    }
    assert filled
    assert filled <= kept


def test_only_the_answer_that_is_an_error_fails_its_load(loads: dict[str, LoadCounts]) -> None:
    failed = {name: one.error_class for name, one in loads.items() if one.outcome == "failed"}
    assert failed == {"test__mocks__boston-err-submitrequest-base_is_duplicate.xml": "api_error"}
