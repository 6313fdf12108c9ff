"""The endpoint is found from the city's discovery document, and nowhere else."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import responses

from ingestion.clients.open311_discovery import Site, chosen, document_of
from ingestion.dialect import Discovery
from ingestion.errors import FetchError, SourceDefinitionError
from ingestion.source import Source, Window
from tests.ingestion.conftest import Platform

MakeSource = Callable[..., Source]
HOST = "https://city.example"
WINDOW = Window(datetime(2025, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC) + timedelta(1))
V2 = "http://wiki.open311.org/GeoReport_v2"


def endpoint(url: str, **changed: Any) -> dict[str, Any]:
    return {
        "specification": V2,
        "url": url,
        "changeset": "2026-01-12T09:00:00Z",
        "type": "production",
        "formats": ["text/xml", "application/json"],
    } | changed


def found(*endpoints: dict[str, Any], **declared: Any) -> Site:
    discovery = Discovery(url=f"{HOST}/discovery.json", **declared)
    return chosen(discovery, {"changeset": "2020", "endpoints": list(endpoints)}, "discovery.json")


def test_the_production_endpoint_of_version_2_is_chosen_among_others() -> None:
    site = found(
        endpoint(f"{HOST}/draft", specification=f"{V2}.1_Draft"),
        endpoint(f"{HOST}/v1", specification="http://wiki.open311.org/GeoReport_v1"),
        endpoint(f"{HOST}/test", type="test"),
        endpoint(f"{HOST}/v2/"),
        endpoint(f"{HOST}/later"),
    )
    assert site == Site(f"{HOST}/v2", "json", "2026-01-12T09:00:00Z")


def test_the_test_system_is_chosen_where_the_yaml_says_so() -> None:
    site = found(endpoint(f"{HOST}/v2"), endpoint(f"{HOST}:6443/v2", type="Test"), type="test")
    assert site.endpoint == f"{HOST}:6443/v2"


@pytest.mark.parametrize(
    ("formats", "answers"),
    [
        (["text/xml"], "xml"),
        (["text/xml", "application/json"], "json"),
        ([{"format": ["application/json"]}], "json"),
        (None, None),
    ],
)
def test_the_formats_that_are_offered_decide_what_is_asked_for(
    formats: Any, answers: str | None
) -> None:
    assert found(endpoint(f"{HOST}/v2", formats=formats)).answers == answers


def test_a_document_may_be_wrapped_level_by_level() -> None:
    one = {name: [value] for name, value in endpoint(f"{HOST}/v2").items() if name != "formats"}
    nested = {"discovery": {"changeset": ["2011"], "endpoints": [{"endpoint": [one]}]}}
    site = chosen(Discovery(url=f"{HOST}/discovery.json"), nested, "discovery.json")
    assert site == Site(f"{HOST}/v2", None, "2026-01-12T09:00:00Z")


def test_xml_tells_the_same_as_json() -> None:
    content = f"""<?xml version="1.0" encoding="utf-8"?>
    <d:discovery xmlns:d="http://open311.example"><d:changeset>2026</d:changeset><d:endpoints>
      <d:endpoint><d:specification>{V2}</d:specification><d:url> {HOST}/v2 </d:url>
        <d:type>production</d:type><d:formats><d:format>text/xml</d:format></d:formats></d:endpoint>
    </d:endpoints></d:discovery>""".encode()
    document = document_of(content, "discovery.xml")
    site = chosen(Discovery(url=f"{HOST}/discovery.xml"), document, "discovery.xml")
    assert site == Site(f"{HOST}/v2", "xml", "2026")


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"endpoints": []}, "it has no endpoints"),
        ({"endpoints": [endpoint(f"{HOST}/v2", type="test")]}, r"GeoReport_v2 \(test\)"),
        ([], "it has no endpoints"),
        (None, "it has no endpoints"),
    ],
)
def test_a_document_without_the_wanted_endpoint_says_what_it_has(document: Any, said: str) -> None:
    with pytest.raises(FetchError, match=said) as caught:
        chosen(Discovery(url=f"{HOST}/discovery.json"), document, "discovery.json")
    assert caught.value.code == "endpoint_not_found"


@pytest.mark.parametrize(
    "url",
    [
        "https://elsewhere.example/v2",
        "http://city.example/v2",
        "file:///etc/passwd",
        "http://127.0.0.1/v2",
        "https://city.example.elsewhere.example/v2",
    ],
)
def test_a_document_cannot_lead_to_another_host_or_out_of_https(url: str) -> None:
    with pytest.raises(FetchError) as caught:
        found(endpoint(url))
    assert caught.value.code == "discovery_refused"


def test_a_host_that_the_yaml_names_may_be_pointed_to() -> None:
    site = found(endpoint("https://api.example/v2"), hosts=("api.example",))
    assert site.endpoint == "https://api.example/v2"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"<!DOCTYPE html><html/>", "not_json"),
        (b"<discovery><endpoints>", "not_xml"),
        (b'<!DOCTYPE d [<!ENTITY a "b">]><discovery>&a;</discovery>', "hostile_markup"),
    ],
)
def test_what_is_no_discovery_document_stops_the_load(content: bytes, code: str) -> None:
    with pytest.raises(FetchError) as caught:
        document_of(content, "discovery")
    assert caught.value.code == code


def discovered(make_source: MakeSource, code: str, more: str = "") -> Source:
    return make_source(
        code,
        f"""
kind: open311
deadline: none
window: {{days: 1}}
{more}
regions:
  - {{code: city, time_zone: Europe/Samara, discovery: "{HOST}/discovery.json"}}
entities:
  requests:
    table: {code}_requests
    role: case
    kind: request
    key: service_request_id
    record: {{text: description}}
  services:
    table: {code}_services
    role: service
    key: service_code
    listing: complete
    record: {{service_code: service_code}}
""",
    )


XML = (
    "<service_requests>"
    "<request><service_request_id>1</service_request_id></request>"
    "</service_requests>"
)


def test_a_region_with_a_discovery_document_is_read_where_the_document_says(
    platform: Platform, make_source: MakeSource
) -> None:
    source = discovered(make_source, "led")
    with responses.RequestsMock() as mock:
        document = {"endpoints": [endpoint(f"{HOST}/geo/v2", formats=["text/xml"])]}
        asked = mock.get(f"{HOST}/discovery.json", json=document)
        mock.get(f"{HOST}/geo/v2/requests.xml", body=XML)
        mock.get(f"{HOST}/geo/v2/services.xml", body="<services/>")
        loads = platform.ingest(source, window=WINDOW)
    assert [load.outcome for load in loads] == ["success", "success"]
    assert [load.rows_landed for load in loads] == [1, 0]
    # One question a run, and the ledger tells which state of the endpoint was loaded.
    assert asked.call_count == 1
    assert all(str(load.file_name).endswith("#changeset=2026-01-12T09:00:00Z") for load in loads)


def test_the_declared_format_is_stronger_than_the_offered_one(
    platform: Platform, make_source: MakeSource
) -> None:
    source = discovered(make_source, "stronger", "answers: xml")
    with responses.RequestsMock() as mock:
        mock.get(f"{HOST}/discovery.json", json={"endpoints": [endpoint(f"{HOST}/v2")]})
        mock.get(f"{HOST}/v2/requests.xml", body=XML)
        mock.get(f"{HOST}/v2/services.xml", body="<services/>")
        loads = platform.ingest(source, window=WINDOW)
    assert [load.outcome for load in loads] == ["success", "success"]


def test_a_document_that_cannot_be_used_fails_every_load_with_its_reason(
    platform: Platform, make_source: MakeSource
) -> None:
    source = discovered(make_source, "unled")
    with responses.RequestsMock() as mock:
        mock.get(f"{HOST}/discovery.json", body=json.dumps({"endpoints": []}))
        loads = platform.ingest(source, window=WINDOW)
    assert [(load.outcome, load.error_class) for load in loads] == [
        ("failed", "endpoint_not_found")
    ] * 2
    assert ledger_calls(platform, "unled") == [1, 1]


def test_the_ledger_counts_the_calls_that_led_to_an_endpoint(
    platform: Platform, make_source: MakeSource
) -> None:
    source = discovered(make_source, "counted")
    with responses.RequestsMock() as mock:
        mock.get(f"{HOST}/discovery.json", json={"endpoints": [endpoint(f"{HOST}/v2")]})
        for name in ("requests", "services"):
            mock.get(f"{HOST}/v2/{name}.json", json=[])
        loads = platform.ingest(source, window=WINDOW)
    # The document is asked once, for the first of the two.
    assert [load.calls for load in loads] == ledger_calls(platform, "counted") == [2, 1]


def ledger_calls(platform: Platform, code: str) -> list[int]:
    rows = platform.rows(
        "select calls from ops.loads where source_code = %s order by load_id", code
    )
    return [row[0] for row in rows]


def test_a_discovery_needs_an_address_of_the_web(make_source: MakeSource) -> None:
    with pytest.raises(SourceDefinitionError, match=r"regions\.0\.discovery\.url"):
        make_source(
            "local",
            """
            kind: open311
            deadline: none
            regions: [{code: city, time_zone: Europe/Samara, discovery: /etc/passwd}]
            entities: {r: {table: local, role: case, kind: request, key: id, record: {text: t}}}
            """,
        )
