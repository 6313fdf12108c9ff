"""Open311: windows of 90 days, pages, endpoints without pages, polls in files."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import responses
from requests import PreparedRequest

from ingestion.clients.open311 import Open311Client
from ingestion.clients.register import observed_time
from ingestion.source import SOURCES_FOLDER, FileTime, Region, Source, Window, load_sources
from tests.ingestion.conftest import Platform

MakeSource = Callable[..., Source]
URL = "https://portal.example/v2"
START = datetime(2025, 1, 1, tzinfo=UTC)


def portal(make_source: MakeSource, **more: Any) -> Source:
    lines = "\n".join(f"{name}: {value}" for name, value in more.items())
    return make_source(
        "portal",
        f"""
kind: open311
deadline: source
window: {{days: 1}}
{lines}
regions: [{{code: samara, time_zone: Europe/Samara, endpoint: "{URL}"}}]
entities:
  requests:
    table: portal_requests
    role: case
    kind: request
    key: service_request_id
    record:
      received_at: requested_datetime
      source_due_at: expected_datetime
      body: [agency_responsible.recipient.0, agency_responsible]
      closed_at: {{from: [closed_datetime, updated_datetime], when: {{status: closed}}}}
      is_closed: {{from: status, "true": [closed], "false": [open]}}
      text: description
  services:
    table: portal_services
    role: service
    key: service_code
    listing: complete
    record: {{service_code: service_code, service_name: service_name, group: group}}
""",
    )


class Portal:
    """A server with one request an hour; cuts an answer at `limit` as the standard allows."""

    def __init__(self, hours: int, limit: int) -> None:
        self.times = [START + timedelta(hours=n) for n in range(hours)]
        self.limit = limit
        self.windows: list[tuple[datetime, datetime]] = []

    def answer(self, request: PreparedRequest) -> tuple[int, dict[str, str], str]:
        asked: dict[str, str] = request.params  # type: ignore[attr-defined]
        start, end = (datetime.fromisoformat(asked[f"{n}_date"]) for n in ("start", "end"))
        assert end - start <= timedelta(days=90)
        self.windows.append((start, end))
        found = [moment for moment in self.times if start <= moment < end]
        size = min(int(asked.get("page_size", self.limit)), self.limit)
        page = int(asked.get("page", 1))
        chosen = found[(page - 1) * size : page * size]
        items = [
            {"service_request_id": self.times.index(one), "requested_datetime": one.isoformat()}
            for one in chosen
        ]
        return 200, {}, json.dumps({"service_requests": items})


def read(source: Source, server: Portal, window: Window) -> list[int]:
    client = Open311Client(source, source.region("samara"))
    with responses.RequestsMock() as mock:
        mock.add_callback(responses.GET, f"{URL}/requests.json", callback=server.answer)
        (delivery,) = client.deliveries(source.entities["requests"], window)
        return [item.fields["service_request_id"] for page in delivery.pages for item in page.items]


def test_a_year_is_asked_for_in_windows_of_ninety_days_without_a_gap(
    make_source: MakeSource,
) -> None:
    server = Portal(hours=24 * 365, limit=1000)
    window = Window(START, START + timedelta(days=365))
    found = read(portal(make_source, page_size=1000), server, window)
    assert found == list(range(24 * 365))
    edges = sorted(set(server.windows))
    assert edges[0][0] == START
    assert edges[-1][1] == window.end
    assert all(one[1] == other[0] for one, other in itertools.pairwise(edges))


def test_a_server_without_pages_that_cuts_its_answer_is_asked_for_shorter_windows(
    make_source: MakeSource,
) -> None:
    server = Portal(hours=24 * 30, limit=100)
    window = Window(START, START + timedelta(days=30))
    found = read(portal(make_source, paging="none", max_rows=100), server, window)
    assert sorted(found) == list(range(24 * 30))


def test_services_and_requests_land_with_their_canonical_fields(
    platform: Platform, make_source: MakeSource
) -> None:
    source = portal(make_source, page_size=1000)
    request = {
        "service_request_id": 17,
        "status": "closed",
        "description": "Яма",
        "requested_datetime": "2025-01-01T10:00:00",
        "updated_datetime": "2025-01-03T10:00:00+04:00",
        "expected_datetime": "2025-01-05T10:00:00Z",
        "agency_responsible": {"recipient": ["Комитет дорог"]},
    }
    services = [{"service_code": "heat", "service_name": "Отопление", "group": "ЖКХ"}]
    with responses.RequestsMock() as mock:
        mock.get(f"{URL}/requests.json", json=[request])
        mock.get(f"{URL}/services.json", json=services)
        platform.ingest(source, window=Window(START, START + timedelta(days=30)))
    assert platform.records("portal_requests") == [
        {
            "native_id": "17",
            "kind": "request",
            "received_at": "2025-01-01T10:00:00+04:00",
            "received_has_time": True,
            "source_due_at": "2025-01-05T10:00:00+00:00",
            "due_at": "2025-01-05T10:00:00+00:00",
            "closed_at": "2025-01-03T10:00:00+04:00",
            "closed_has_time": True,
            "is_closed": True,
            "body": "Комитет дорог",
            "text": "Яма",
        }
    ]
    assert platform.records("portal_services") == [
        {
            "native_id": "heat",
            "service_code": "heat",
            "service_name": "Отопление",
            "group": "ЖКХ",
        }
    ]


def test_what_is_no_object_in_a_listing_is_kept_alone(
    platform: Platform, make_source: MakeSource
) -> None:
    source = portal(make_source, page_size=1000)
    with responses.RequestsMock() as mock:
        mock.get(f"{URL}/requests.json", json=["a string", {"service_request_id": 1}])
        mock.get(f"{URL}/services.json", json=[])
        loads = platform.ingest(source, window=Window(START, START + timedelta(days=30)))
    assert loads[0].is_balanced
    assert ("not_an_object", None, "open") in platform.quarantine("portal")


@pytest.mark.parametrize(
    ("name", "observed"),
    [
        ("2021-10-21T23-55-04-01-00.json", "2021-10-21T23:55:04+01:00"),
        ("2021-10-22T02-30-57-00-00.json", "2021-10-22T02:30:57+00:00"),
    ],
)
def test_the_name_of_a_poll_tells_when_it_was_observed(name: str, observed: str) -> None:
    source = load_sources(SOURCES_FOLDER, {})["fixmystreet_polls"]
    told = observed_time(name, source.file_time, source.regions[0])
    assert told is not None
    assert told.isoformat() == observed


def test_a_name_without_an_offset_is_local_time() -> None:
    rule = FileTime(pattern=r"(?P<time>\d{8}-\d{4})", format="%Y%m%d-%H%M")
    region = Region(code="samara", time_zone="Europe/Samara", endpoint="/x")
    told = observed_time("poll-20260105-1200.json", rule, region)
    assert told is not None
    assert told.isoformat() == "2026-01-05T12:00:00+04:00"


def test_a_file_whose_name_tells_no_time_is_refused_with_its_name(
    platform: Platform, make_source: MakeSource, tmp_path: Path
) -> None:
    (tmp_path / "requests.json").write_text("[]")
    source = make_source(
        "untimed",
        f"""
        kind: open311
        deadline: none
        file_time: {{pattern: '(?P<time>\\d{{4}})', format: '%Y'}}
        regions: [{{code: samara, time_zone: Europe/Samara, endpoint: "{tmp_path}"}}]
        entities:
          requests:
            {{table: untimed, role: case, kind: request, key: id, record: {{text: t}}}}
        """,
    )
    (load,) = platform.ingest(source)
    assert load.error_class == "file_time_unknown"
    assert "requests.json" in str(load.error_message)
