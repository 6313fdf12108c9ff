"""The sandbox's cities: the same in XML as in JSON, a discovery document, a portal that differs."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from fastapi.testclient import TestClient

from ingestion.sandbox.open311 import PORTAL_ROWS, to_xml
from ingestion.sandbox.regions import REGIONS
from ingestion.sandbox.world import World

SUMMER = {"start_date": "2026-06-01T00:00:00Z", "end_date": "2026-08-20T00:00:00Z"}


def texts(content: bytes, record: str) -> list[dict[str, str]]:
    root = ElementTree.fromstring(content)
    return [{child.tag: child.text or "" for child in one} for one in root.findall(record)]


@pytest.mark.parametrize(
    ("path", "record"),
    [("v2/services", "service"), ("v2/requests", "request"), ("portal/services", "service")],
)
def test_xml_carries_what_json_carries(client: TestClient, path: str, record: str) -> None:
    url = f"/open311/chelyabinsk/{path}"
    listed = client.get(f"{url}.json", params=SUMMER).json()
    assert listed
    answer = client.get(f"{url}.xml", params=SUMMER)
    assert answer.headers["content-type"].startswith("text/xml")
    expected = [
        {
            name: ""
            if value is None
            else str(value).lower()
            if value is True or value is False
            else str(value)
            for name, value in item.items()
        }
        for item in listed
    ]
    assert texts(answer.content, record) == expected


def test_xml_leaves_out_what_it_cannot_carry() -> None:
    root = ElementTree.fromstring(to_xml("services", {"a": "Яма\x00\x0b <b> & ]]>\ud800"}))
    assert root.findtext("a") == "Яма <b> & ]]>"


@pytest.mark.parametrize("form", ["json", "xml"])
def test_discovery_names_one_production_endpoint_of_version_2(
    client: TestClient, form: str
) -> None:
    answer = client.get(f"/open311/pskov/discovery.{form}")
    if form == "json":
        endpoints = answer.json()["endpoints"]
    else:
        root = ElementTree.fromstring(answer.content)
        endpoints = [
            {child.tag: child.text for child in one} for one in root.findall("endpoints/endpoint")
        ]
    chosen = [
        one["url"]
        for one in endpoints
        if one["specification"].endswith("GeoReport_v2") and one["type"] == "production"
    ]
    assert chosen == ["http://testserver/open311/pskov/v2"]


def test_an_unknown_format_or_service_is_404(client: TestClient) -> None:
    for path in ("v2/services.csv", "discovery.html", "portal/requests.rss"):
        assert client.get(f"/open311/pskov/{path}").status_code == 404
    assert client.get("/open311/pskov/portal/services/nothing.json").status_code == 404


def test_the_portal_lists_open_requests_only_by_the_local_clock(
    client: TestClient, world: World
) -> None:
    for region in REGIONS:
        waiting = [c for c in world.of(region, "open311") if c.cycles[-1].closed_at is None]
        answer = client.get(f"/open311/{region}/portal/requests.json").json()
        listed = {one["service_request_id"]: one for one in answer["service_requests"]}
        assert set(listed) == {int(case.native_id.replace("-", "")) for case in waiting}
        for case in waiting:
            item = listed[int(case.native_id.replace("-", ""))]
            assert (item["status"], "updated_datetime" in item) == ("open", False)
            if case.bad_reason is None:
                assert item["requested_datetime"] == case.received_at.isoformat()


def test_the_portal_cuts_its_answer_at_a_limit_of_its_own(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ingestion.sandbox import open311

    assert PORTAL_ROWS == 50
    monkeypatch.setattr(open311, "PORTAL_ROWS", 1)
    url = "/open311/samara/portal/requests.json"
    newest = client.get(url, params={"page": 2, "page_size": 9}).json()["service_requests"]
    assert len(newest) == 1
    before = {"end_date": newest[0]["requested_datetime"]}
    older = client.get(url, params=before).json()["service_requests"]
    assert older[0]["requested_datetime"] < newest[0]["requested_datetime"]


def test_what_is_closed_later_leaves_the_portal(
    client: TestClient, world: World, later_world: World
) -> None:
    from ingestion.sandbox.server import build_app

    def listed(one: TestClient) -> set[int]:
        found = set()
        for region in REGIONS:
            answer = one.get(f"/open311/{region}/portal/requests.json").json()
            found |= {item["service_request_id"] for item in answer["service_requests"]}
        return found

    gone = listed(client) - listed(TestClient(build_app(later_world, "t")))
    closed = {
        int(case.native_id.replace("-", ""))
        for region in REGIONS
        for case in later_world.of(region, "open311")
        if case.native_id and case.cycles[-1].closed_at is not None
    }
    assert gone
    assert gone <= closed


def test_extended_attributes_and_definitions_come_when_asked_for(client: TestClient) -> None:
    url = "/open311/samara/portal/requests.json"
    plain = client.get(url).json()["service_requests"]
    extended = client.get(url, params={"extensions": "true"}).json()["service_requests"]
    assert not any("extended_attributes" in one for one in plain)
    assert all(one["extended_attributes"]["markaspot"]["nid"] for one in extended)
    services = client.get("/open311/samara/portal/services.json").json()
    code = services[0]["service_code"]
    definition = client.get(f"/open311/samara/portal/services/{code}.xml")
    root = ElementTree.fromstring(definition.content)
    assert root.findtext("service_code") == code
    assert [one.text for one in root.findall("attributes/attribute/values/value/name")] == [
        "Да",
        "Нет",
    ]
