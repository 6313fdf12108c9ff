"""What GeoReport v2 servers do otherwise, each as a few lines of YAML."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import responses
from requests import PreparedRequest

from ingestion.clients.open311 import Open311Client
from ingestion.errors import FetchError, SourceDefinitionError
from ingestion.ingest import delivered_by_hand
from ingestion.source import Region, Source, Window
from tests.ingestion.conftest import Platform

MakeSource = Callable[..., Source]
Asked = dict[str, str]
URL = "https://portal.example/v2"
START = datetime(2025, 1, 1, tzinfo=UTC)
YEAR = Window(START, START + timedelta(days=365))
WEEK = Window(START, START + timedelta(days=7))


def declared(
    make_source: MakeSource,
    more: str = "",
    *,
    code: str = "portal",
    zone: str = "Europe/Samara",
    listing: str = "open",
    record: str = "received_at: requested_datetime",
) -> Source:
    return make_source(
        code,
        f"""
kind: open311
deadline: none
window: {{days: 1}}
{more}
regions: [{{code: city, time_zone: {zone}, endpoint: "{URL}"}}]
entities:
  requests:
    table: {code}_requests
    role: case
    kind: request
    key: service_request_id
    listing: {listing}
    record: {{{record}}}
""",
    )


class City:
    """A server with one request an hour, the newest first, and habits of its own."""

    def __init__(self, hours: int, cap: int, answer: Callable[[list[Any], Asked], list[Any]]):
        self.times = [START + timedelta(hours=n) for n in range(hours)]
        self.cap = cap
        self.asked: list[Asked] = []
        self._answer = answer
        self.empty_status = 200

    def __call__(self, request: PreparedRequest) -> tuple[int, dict[str, str], str]:
        asked: Asked = dict(request.params)  # type: ignore[attr-defined]
        self.asked.append(asked)
        given = self._answer(list(enumerate(self.times))[::-1], asked)[: self.cap]
        items = [
            {"service_request_id": number, "requested_datetime": moment.isoformat()}
            for number, moment in given
        ]
        return (200 if items else self.empty_status), {}, json.dumps({"service_requests": items})


def ids(source: Source, city: City, window: Window | None = YEAR) -> list[int]:
    client = Open311Client(source, source.regions[0])
    with responses.RequestsMock() as mock:
        mock.add_callback(responses.GET, f"{URL}/requests.json", callback=city)
        (delivery,) = client.deliveries(source.entities["requests"], window)
        return [item.fields["service_request_id"] for page in delivery.pages for item in page.items]


def within(records: list[Any], asked: Asked) -> list[Any]:
    """What lies in the period that the standard's parameters name."""
    start, end = (datetime.fromisoformat(asked[f"{name}_date"]) for name in ("start", "end"))
    return [one for one in records if start <= one[1] < end]


# --- pages ---------------------------------------------------------------------------------------


def test_pages_may_be_counted_from_zero_under_other_names(make_source: MakeSource) -> None:
    def drupal(records: list[Any], asked: Asked) -> list[Any]:
        size = min(int(asked["limit"]), 50)
        return within(records, asked)[int(asked["page"]) * size :][:size]

    city = City(24 * 40, 50, drupal)
    city.empty_status = 404
    source = declared(
        make_source, "first_page: 0\nsize_parameter: limit\npage_size: 50\nempty_status: 404"
    )
    assert sorted(ids(source, city)) == list(range(24 * 40))
    assert {"page", "limit", "start_date", "end_date"} == set(city.asked[0])


def test_an_offset_goes_on_from_what_really_came(make_source: MakeSource) -> None:
    """The server was asked for 100 and silently gives 30."""

    def by_offset(records: list[Any], asked: Asked) -> list[Any]:
        return within(records, asked)[int(asked["offset"]) :][: int(asked["limit"])]

    city = City(200, 30, by_offset)
    source = declared(make_source, "paging: offset\nlast_page: empty")
    assert sorted(ids(source, city, WEEK)) == list(range(7 * 24))
    assert [one["offset"] for one in city.asked] == ["0", "30", "60", "90", "120", "150", "168"]


def test_a_server_that_gives_fewer_than_asked_for_is_read_to_its_empty_page(
    make_source: MakeSource,
) -> None:
    def capped(records: list[Any], asked: Asked) -> list[Any]:
        return within(records, asked)[(int(asked["page"]) - 1) * 40 :][:40]

    source = declared(make_source, "last_page: empty\npage_size: 1000")
    assert sorted(ids(source, City(160, 40, capped), WEEK)) == list(range(160))
    # Declared as it is, it needs no page more than there are.
    city = City(150, 40, capped)
    assert len(ids(declared(make_source, "max_rows: 40"), city, WEEK)) == 150
    assert [one["page_size"] for one in city.asked] == ["40"] * 4


def test_a_server_that_knows_no_pages_is_noticed_and_not_asked_forever(
    platform: Platform, make_source: MakeSource
) -> None:
    source = declared(make_source, "page_size: 10", code="pageless")
    with responses.RequestsMock() as mock:
        city = City(20, 10, lambda records, asked: records)
        mock.add_callback(responses.GET, f"{URL}/requests.json", callback=city)
        (load,) = platform.ingest(source, window=WEEK)
    assert (load.outcome, load.error_class) == ("failed", "paging_ignored")
    assert (load.rows_landed, load.is_balanced) == (10, True)
    assert len(city.asked) == 3


# --- a limit of its own --------------------------------------------------------------------------


def test_a_limit_below_the_standard_s_splits_the_window_until_nothing_is_cut(
    make_source: MakeSource,
) -> None:
    city = City(24 * 60, 25, within)
    source = declared(make_source, "paging: none\nmax_rows: 25")
    assert sorted(set(ids(source, city))) == list(range(24 * 60))
    assert "page" not in city.asked[0]


def test_an_answer_that_cannot_be_made_smaller_fails_the_load_and_what_came_has_landed(
    platform: Platform, make_source: MakeSource
) -> None:
    """The server ignores the period: everything is in every answer, up to its limit."""
    source = declared(make_source, "paging: none\nmax_rows: 5", code="cut", listing="window")
    with responses.RequestsMock() as mock:
        city = City(9, 5, lambda records, asked: records)
        mock.add_callback(responses.GET, f"{URL}/requests.json", callback=city)
        (load,) = platform.ingest(source, window=WEEK)
    assert (load.outcome, load.error_class) == ("failed", "answer_cut")
    assert (load.rows_landed, load.rows_tombstoned, load.is_balanced) == (5, 0, True)
    assert len(city.asked) < 30


def test_a_server_that_cannot_be_asked_for_a_period_is_read_without_one(
    make_source: MakeSource,
) -> None:
    city = City(30, 1000, lambda records, asked: records)
    lines = "paging: none\nwindow_parameters: none\nparameters: {extensions: true}"
    source = declared(make_source, lines, listing="complete")
    assert sorted(ids(source, city, None)) == list(range(30))
    assert city.asked == [{"extensions": "true"}]


def test_a_complete_listing_as_long_as_the_limit_tells_nobody_to_be_gone(
    platform: Platform, make_source: MakeSource
) -> None:
    lines = "paging: none\nwindow_parameters: none\nmax_rows: 20"
    source = declared(make_source, lines, code="brim", listing="complete")
    with responses.RequestsMock() as mock:
        for hours in (15, 25):
            mock.add_callback(
                responses.GET,
                f"{URL}/requests.json",
                callback=City(hours, 20, lambda records, asked: records),
            )
        (first,) = platform.ingest(source)
        (second,) = platform.ingest(source)
    assert (first.outcome, first.rows_landed) == ("success", 15)
    assert (second.outcome, second.error_class) == ("failed", "answer_cut")
    assert (second.rows_landed, second.rows_tombstoned) == (10, 0)


def test_a_feed_of_the_newest_is_as_long_as_its_limit_every_day(make_source: MakeSource) -> None:
    lines = "paging: none\nwindow_parameters: none\nmax_rows: 20"
    city = City(90, 20, lambda records, asked: records)
    assert ids(declared(make_source, lines, listing="open"), city, None) == list(range(89, 69, -1))


def test_a_status_that_says_nothing_found_never_makes_a_city_s_requests_vanish(
    platform: Platform, make_source: MakeSource
) -> None:
    gone = "empty_status: 404\npaging: none"
    for listing, outcome in (("open", "success"), ("window", "failed")):
        source = declared(make_source, gone, code=f"gone_{listing}", listing=listing)
        with responses.RequestsMock() as mock:
            mock.get(f"{URL}/requests.json", status=404)
            (load,) = platform.ingest(source, window=WEEK)
        assert (load.outcome, load.rows_read) == (outcome, 0)


# --- times ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("times", "start"),
    [
        ("offset", "2025-01-01T00:00:00+04:00"),
        ("utc", "2024-12-31T20:00:00Z"),
        ("local", "2025-01-01T00:00:00"),
    ],
)
def test_the_period_is_written_as_the_server_reads_it(
    make_source: MakeSource, times: str, start: str
) -> None:
    zone = ZoneInfo("Europe/Samara")
    window = Window(datetime(2025, 1, 1, tzinfo=zone), datetime(2025, 1, 2, tzinfo=zone))
    city = City(0, 10, lambda records, asked: records)
    lines = f"window_times: {times}\nwindow_parameters: [updated_after, updated_before]"
    ids(declared(make_source, lines), city, window)
    assert city.asked[0]["updated_after"] == start


def test_local_times_without_an_offset_are_the_region_s_in_summer_and_winter(
    platform: Platform, make_source: MakeSource
) -> None:
    source = declared(make_source, code="clocks", zone="Europe/Berlin")
    written = {
        1: ("2025-07-01T12:00:00", "2025-07-01T12:00:00+02:00"),
        2: ("2025-12-01T12:00:00", "2025-12-01T12:00:00+01:00"),
        # The repeated hour: the first of the two is meant.
        3: ("2025-10-26T02:30:00", "2025-10-26T02:30:00+02:00"),
        # The hour that spring skips counts with the offset before the change.
        4: ("2025-03-30T02:30:00", "2025-03-30T02:30:00+01:00"),
        # An offset that is written is stronger than the zone.
        5: ("2025-07-01T12:00:00-05:00", "2025-07-01T12:00:00-05:00"),
    }
    items = [
        {"service_request_id": number, "requested_datetime": text}
        for number, (text, _) in written.items()
    ]
    with responses.RequestsMock() as mock:
        mock.get(f"{URL}/requests.json", json=items)
        platform.ingest(source, window=WEEK)
    found = {one["native_id"]: one["received_at"] for one in platform.records("clocks_requests")}
    assert found == {str(number): expected for number, (_, expected) in written.items()}


def test_no_hour_is_left_out_of_local_windows_when_the_clocks_change(
    make_source: MakeSource,
) -> None:
    """The server holds what the clock showed; each hour of two days around the change is asked."""
    berlin = ZoneInfo("Europe/Berlin")
    first = datetime(2025, 10, 25, 22, tzinfo=UTC)
    moments = [first + timedelta(minutes=30 * n) for n in range(60)]
    shown = [moment.astimezone(berlin).replace(tzinfo=None) for moment in moments]

    def by_the_clock(records: list[Any], asked: Asked) -> list[Any]:
        start, end = (datetime.fromisoformat(asked[f"{name}_date"]) for name in ("start", "end"))
        return [(n, clock) for n, clock in enumerate(shown) if start <= clock < end]

    lines = "paging: none\nmax_rows: 3\nwindow_times: local"
    source = declared(make_source, lines, zone="Europe/Berlin")
    city = City(0, 3, by_the_clock)
    assert set(ids(source, city, Window(moments[0], moments[-1] + timedelta(hours=1)))) == set(
        range(60)
    )
    # A window inside the repeated hour, whose end shows an earlier time than its start.
    inside = Window(
        datetime(2025, 10, 26, 0, 45, tzinfo=UTC), datetime(2025, 10, 26, 1, 15, tzinfo=UTC)
    )
    meant = {n for n, moment in enumerate(moments) if inside.start <= moment < inside.end}
    assert meant <= set(ids(source, City(0, 50, by_the_clock), inside))


# --- fields --------------------------------------------------------------------------------------


def test_a_server_without_a_time_of_change_gives_versions_by_content_and_no_closing_time(
    platform: Platform, make_source: MakeSource
) -> None:
    source = declared(
        make_source,
        code="timeless",
        record='received_at: requested_datetime, is_closed: {from: status, "true": [closed],'
        ' "false": [open]}, closed_at: {from: [closed_datetime, updated_datetime],'
        " when: {status: closed}}",
    )
    item = {"service_request_id": 1, "requested_datetime": "2025-01-01T10:00:00Z"}
    with responses.RequestsMock() as mock:
        for status in ("open", "open", "closed"):
            mock.get(f"{URL}/requests.json", json=[{**item, "status": status}])
        counts = [platform.ingest(source, window=WEEK)[0] for _ in range(3)]
    assert [(one.rows_landed, one.rows_unchanged) for one in counts] == [(1, 0), (0, 1), (1, 0)]
    last = platform.records("timeless_requests")[-1]
    assert last["is_closed"] is True
    assert "closed_at" not in last


def test_a_mark_a_spot_with_extended_attributes_needs_no_python(
    platform: Platform, make_source: MakeSource
) -> None:
    source = make_source(
        "spot",
        f"""
kind: open311
deadline: none
window: {{days: 1}}
first_page: 0
size_parameter: limit
page_size: 50
empty_status: 404
parameters: {{extensions: true, jurisdiction_id: bonn.de}}
regions: [{{code: bonn, time_zone: Europe/Berlin, endpoint: "{URL}"}}]
entities:
  requests:
    table: spot_requests
    role: case
    kind: request
    key: service_request_id
    changed: updated_datetime
    identity: {{extended_attributes.author: email}}
    record:
      received_at: requested_datetime
      text: [description, title]
      topic: title
      reply_text: [status_notes, status_note]
      address: [address, address_string]
      status: extended_attributes.markaspot.status_name
""",
    )
    item = {
        "service_request_id": 4711,
        "title": "Schlagloch",
        "description": None,
        "status_note": "In Arbeit",
        "address_string": "53111 Bonn, Markt 1",
        "media_url": "https://photo.example/1.jpg",
        "requested_datetime": "2025-01-02T08:00:00+0100",
        "updated_datetime": "2025-01-03T08:00:00+0100",
        "extended_attributes": {
            "markaspot": {"nid": "7", "status_name": "offen", "log": {"1": {"status": "open"}}},
            "author": "somebody@post.example",
        },
    }
    with responses.RequestsMock() as mock:
        mock.get(f"{URL}/requests.json", json=[item])
        (load,) = platform.ingest(source, window=WEEK)
        assert mock.calls[0].request.params["jurisdiction_id"] == "bonn.de"
        assert mock.calls[0].request.params["extensions"] == "true"
    assert load.outcome == "success"
    (record,) = platform.records("spot_requests")
    assert record == {
        "native_id": "4711",
        "kind": "request",
        "received_at": "2025-01-02T08:00:00+01:00",
        "received_has_time": True,
        "text": "Schlagloch",
        "topic": "Schlagloch",
        "reply_text": "In Arbeit",
        "address": "53111 Bonn, Markt 1",
        "status": "offen",
    }
    stored = platform.stored_text("spot_requests")
    assert "somebody" not in stored
    assert "photo.example/1.jpg" in stored


@pytest.mark.parametrize(
    "answer",
    [
        [{"service_request_id": 1}],
        {"service_requests": [{"service_request_id": 1}]},
        {"requests": [{"service_request_id": 1}]},
        {"service_requests": {"request": [{"service_request_id": 1}]}},
        {"service_requests": {"request": {"service_request_id": 1}}},
        {"service_request_id": 1},
    ],
)
def test_a_list_may_be_wrapped_as_servers_wrap_it(make_source: MakeSource, answer: Any) -> None:
    source = declared(make_source)
    client = Open311Client(source, source.regions[0])
    with responses.RequestsMock() as mock:
        mock.get(f"{URL}/requests.json", json=answer)
        (delivery,) = client.deliveries(source.entities["requests"], WEEK)
        assert [i.fields for p in delivery.pages for i in p.items] == [{"service_request_id": 1}]


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ([{"code": 400, "description": "jurisdiction_id was not provided"}], "api_error"),
        ({"errors": [{"code": 404, "description": "no such city"}]}, "api_error"),
        ({"endpoints": []}, "unexpected_answer"),
        ("a text", "unexpected_answer"),
    ],
)
def test_an_answer_that_is_no_listing_is_kept_whole_with_its_reason(
    platform: Platform, make_source: MakeSource, answer: Any, code: str
) -> None:
    name = f"refused_{len(str(answer))}"
    source = declared(make_source, code=name)
    with responses.RequestsMock() as mock:
        mock.get(f"{URL}/requests.json", json=answer)
        (load,) = platform.ingest(source, window=WEEK)
    assert (load.outcome, load.error_class) == ("failed", code)
    assert (load.rows_read, load.rows_quarantined, load.is_balanced) == (1, 1, True)


def test_a_record_nested_without_end_is_refused_alone(
    platform: Platform, make_source: MakeSource
) -> None:
    deep: Any = 1
    for _ in range(300):
        deep = [deep]
    source = declared(make_source, code="deep")
    items = [{"service_request_id": 1, "notes": deep}, {"service_request_id": 2}]
    with responses.RequestsMock() as mock:
        mock.get(f"{URL}/requests.json", json=items)
        (load,) = platform.ingest(source, window=WEEK)
    assert (load.outcome, load.rows_landed, load.rows_quarantined) == ("success", 1, 1)
    assert [code for code, _, _ in platform.quarantine("deep")] == ["nested_too_deep"]


# --- services ------------------------------------------------------------------------------------


def test_definitions_of_services_land_with_their_attributes_and_a_missing_one_hides_no_other(
    platform: Platform, make_source: MakeSource
) -> None:
    source = make_source(
        "defined",
        f"""
kind: open311
deadline: none
regions: [{{code: city, time_zone: Europe/Samara, endpoint: "{URL}"}}]
entities:
  definitions:
    table: defined_services
    role: service
    key: service_code
    listing: complete
    endpoint: services/{{service_code}}.json
    record: {{service_code: service_code}}
""",
    )
    services = [
        {"service_code": "pot/hole", "metadata": True},
        {"service_code": "lamp", "metadata": "false"},
        {"service_code": "tree", "metadata": "true"},
    ]
    attributes = [{"code": "DANGER", "values": [{"key": "YES", "name": "Да"}]}]
    with responses.RequestsMock() as mock:
        mock.get(f"{URL}/services.json", json=services)
        mock.get(
            f"{URL}/services/pot%2Fhole.json",
            json={"service_code": "pot/hole", "attributes": attributes},
        )
        mock.get(f"{URL}/services/tree.json", status=404)
        (load,) = platform.ingest(source)
    assert (load.rows_read, load.rows_landed, load.rows_quarantined) == (2, 1, 1)
    assert platform.rows("select native_id, payload -> 'attributes' from raw.defined_services") == [
        ("pot/hole", attributes)
    ]
    ((code, reason),) = platform.rows(
        "select error_code, reason from ops.quarantine where source_code = 'defined'"
    )
    assert code == "http_client_error"
    assert "tree" in reason


# --- declarations --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("paging: sideways", "paging"),
        ("paging: none\nfirst_page: 0", "with paging: none there are no pages"),
        ("paging: offset\nfirst_page: 0", "the first record is number 0"),
        ("answers: yaml", "answers"),
        ("window_parameters: [start_date]", "window_parameters"),
        ("empty_status: 200", "empty_status"),
        ("dialekt: {}", "dialekt: is not known"),
    ],
)
def test_a_wrong_dialect_is_named_by_its_field(
    make_source: MakeSource, lines: str, said: str
) -> None:
    with pytest.raises(SourceDefinitionError, match=said):
        declared(make_source, lines)


def test_a_listing_by_window_needs_a_server_that_takes_one(make_source: MakeSource) -> None:
    with pytest.raises(SourceDefinitionError, match=r"region city cannot be asked for a window"):
        declared(make_source, "window_parameters: none", listing="window")


def test_open_requests_only_is_for_listings_that_tell_absence(make_source: MakeSource) -> None:
    with pytest.raises(SourceDefinitionError, match="holds: open_only"):
        declared(make_source, listing="open\n    holds: open_only")
    source = declared(make_source, listing="complete\n    holds: open_only")
    assert source.entities["requests"].holds == "open_only"


def test_a_dialect_belongs_to_open311(make_source: MakeSource) -> None:
    with pytest.raises(SourceDefinitionError, match="answers: only for kind: open311"):
        make_source(
            "sheet",
            """
            kind: register
            deadline: none
            answers: xml
            regions: [{code: samara, time_zone: Europe/Samara, endpoint: /x}]
            entities: {rows: {table: sheet, role: case, kind: request, key: id, record: {text: t}}}
            """,
        )


def test_a_region_needs_one_address(make_source: MakeSource) -> None:
    for address in ("", f', endpoint: "{URL}", discovery: "{URL}/discovery.json"'):
        with pytest.raises(SourceDefinitionError, match="endpoint: give it, or discovery"):
            make_source(
                "nowhere",
                f"""
                kind: open311
                deadline: none
                regions: [{{code: samara, time_zone: Europe/Samara{address}}}]
                entities:
                  requests:
                    {{table: nowhere, role: case, kind: request, key: id, record: {{text: t}}}}
                """,
            )


def test_a_region_changes_single_lines_of_the_source_s_dialect(make_source: MakeSource) -> None:
    source = make_source(
        "cities",
        f"""
        kind: open311
        deadline: none
        page_size: 70
        paging: offset
        regions:
          - {{code: one, time_zone: Europe/Samara, endpoint: "{URL}"}}
          - code: other
            time_zone: Europe/Samara
            endpoint: "{URL}"
            dialect: {{paging: none, max_rows: 25}}
        entities:
          requests: {{table: cities, role: case, kind: request, key: id, record: {{text: t}}}}
        """,
    )
    one, other = (source.dialect_of(region) for region in source.regions)
    assert (one.paging, one.page_size, one.max_rows) == ("offset", 70, 1000)
    assert (other.paging, other.page_size, other.max_rows) == ("none", 70, 25)


def test_a_region_names_its_own_files(
    platform: Platform, make_source: MakeSource, tmp_path: Path
) -> None:
    for city in ("toronto", "giessen"):
        (tmp_path / f"{city}.json").write_text(f'[{{"id": "{city}"}}]')
    source = make_source(
        "folder",
        f"""
        kind: open311
        deadline: none
        regions:
          - code: toronto
            time_zone: America/Toronto
            endpoint: "{tmp_path}"
            files: {{requests: "toronto*"}}
          - code: giessen
            time_zone: Europe/Berlin
            endpoint: "{tmp_path}"
            files: {{services: "giessen*"}}
        entities:
          requests: {{table: folder_r, role: case, kind: request, key: id, record: {{text: t}}}}
          services: {{table: folder_s, role: service, key: id, record: {{service_code: id}}}}
        """,
    )
    loads = platform.ingest(source)
    assert [(one.region_code, one.entity, one.file_name) for one in loads] == [
        ("toronto", "requests", "toronto.json"),
        ("giessen", "services", "giessen.json"),
    ]


def test_a_file_by_hand_is_read_in_place_of_endpoint_and_discovery(
    make_source: MakeSource, tmp_path: Path
) -> None:
    (tmp_path / "requests.xml").write_text("<service_requests/>")
    source = declared(make_source).model_copy(
        update={
            "regions": (
                Region.model_validate(
                    {
                        "code": "city",
                        "time_zone": "Europe/Samara",
                        "discovery": f"{URL}/discovery.json",
                    }
                ),
            )
        }
    )
    assert source.regions[0].is_remote
    by_hand = delivered_by_hand(source, "city", tmp_path / "requests.xml")
    assert not by_hand.regions[0].is_remote
    client = Open311Client(by_hand, by_hand.regions[0])
    (delivery,) = client.deliveries(by_hand.entities["requests"], None)
    assert delivery.name == "requests.xml"
    assert [page.items for page in delivery.pages] == [[]]


def test_a_window_is_needed_where_the_server_takes_one(make_source: MakeSource) -> None:
    source = declared(make_source)
    client = Open311Client(source, source.regions[0])
    with pytest.raises(FetchError) as caught:
        list(client.deliveries(source.entities["requests"], None))
    assert caught.value.code == "window_required"
