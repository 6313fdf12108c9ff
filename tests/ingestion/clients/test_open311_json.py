"""GeoReport v2 in JSON, however long an answer is and wherever it breaks off."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ingestion.clients.open311 import Open311Client
from ingestion.evidence import content, open_entries
from ingestion.source import Source, Window
from ingestion.vault import Vault
from tests.ingestion.clients.loopback import Site
from tests.ingestion.conftest import Platform

MakeSource = Callable[..., Source]
START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = Window(START, START + timedelta(days=1))


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as one:
        yield one


def city(make_source: MakeSource, code: str, endpoint: object, more: str = "") -> Source:
    return make_source(
        code,
        f"""
kind: open311
deadline: none
window: {{days: 1}}
{more}
regions: [{{code: pskov, time_zone: Europe/Moscow, endpoint: "{endpoint}"}}]
entities:
  requests:
    table: {code}
    role: case
    kind: request
    key: service_request_id
    record: {{received_at: requested_datetime, text: description}}
""",
    )


def requests(count: int) -> list[dict[str, Any]]:
    moment = START.isoformat()
    return [
        {"service_request_id": n, "requested_datetime": moment, "description": "яма " * 60}
        for n in range(count)
    ]


def kept(platform: Platform, code: str) -> list[bytes]:
    found = []
    with psycopg.connect(platform.url) as connection:
        for entry in open_entries(connection):
            if entry.source_code == code:
                with content(connection, Vault(platform.vault_key), entry) as path:
                    found.append(path.read_bytes())
    return found


@pytest.mark.parametrize("wrapper", [None, "service_requests"])
def test_memory_does_not_grow_with_the_answer_of_a_city_without_pages(
    make_source: MakeSource, site: Site, wrapper: str | None
) -> None:
    source = city(make_source, "pageless", site.url, "paging: none\nmax_rows: 1000000")

    def peak(count: int) -> int:
        answer = requests(count)
        body = json.dumps({wrapper: answer} if wrapper else answer).encode()
        site.pages["/requests.json"] = lambda asked: body
        tracemalloc.start()
        (delivery,) = Open311Client(source, source.regions[0]).deliveries(
            source.entities["requests"], DAY
        )
        assert sum(len(page.items) for page in delivery.pages) == count
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(10)  # what is imported at the first call
    assert peak(9_000) < 1.5 * peak(3_000)


def test_what_an_answer_told_before_it_broke_off_lands_and_all_of_it_is_kept(
    platform: Platform, make_source: MakeSource, site: Site
) -> None:
    whole = json.dumps({"service_requests": requests(5)}, ensure_ascii=False).encode()
    cut = whole[: whole.index(b'"service_request_id": 3') + 40]
    source = city(make_source, "broken_json", site.url)
    site.pages["/requests.json"] = lambda asked: cut
    (load,) = platform.ingest(source, window=DAY)
    assert (load.outcome, load.error_class) == ("failed", "not_json")
    assert "after 3 records" in str(load.error_message)
    assert (load.rows_read, load.rows_landed, load.rows_quarantined) == (4, 3, 1)
    assert kept(platform, "broken_json") == [cut]
    site.pages["/requests.json"] = lambda asked: whole
    (again,) = platform.ingest(source, window=DAY)
    assert (again.outcome, again.rows_unchanged, again.rows_landed) == ("success", 3, 2)


def test_a_mark_and_fields_beside_the_list_are_no_hindrance(
    make_source: MakeSource, tmp_path: Path
) -> None:
    document = {"total": 2, "errors": [], "requests": requests(2), "links": {"next": [1]}}
    (tmp_path / "a.json").write_text(json.dumps(document), encoding="utf-8-sig")
    source = city(make_source, "beside", tmp_path)
    (delivery,) = Open311Client(source, source.regions[0]).deliveries(
        source.entities["requests"], None
    )
    items = [item for page in delivery.pages for item in page.items]
    assert [(item.row_number, item.fields) for item in items] == list(
        enumerate(requests(2), start=1)
    )


def test_an_error_among_requests_hides_none_of_them(
    platform: Platform, make_source: MakeSource, tmp_path: Path
) -> None:
    error = {"code": 500, "description": "one of them could not be read"}
    (tmp_path / "a.json").write_text(json.dumps([error, *requests(2), error]), encoding="utf-8")
    (load,) = platform.ingest(city(make_source, "half_errors", tmp_path))
    assert (load.outcome, load.rows_read, load.rows_landed) == ("success", 4, 2)
    assert [code for code, _, _ in platform.quarantine("half_errors")] == ["missing_key"] * 2


def test_half_of_a_pair_and_a_number_of_any_length_concern_one_request(
    platform: Platform, make_source: MakeSource, tmp_path: Path
) -> None:
    records = [
        b'{"service_request_id": 1, "description": "half \\ud83d of it"}',
        b'{"service_request_id": 123456789012345678901234567890}',
        b'{"service_request_id": 3}',
    ]
    (tmp_path / "a.json").write_bytes(b"[" + b",".join(records) + b"]")
    (load,) = platform.ingest(city(make_source, "odd_values", tmp_path))
    assert (load.rows_read, load.rows_landed) == (3, 2)
    assert platform.quarantine("odd_values") == [("invalid_character", "1", "open")]
    landed = {one["native_id"] for one in platform.records("odd_values")}
    assert landed == {"123456789012345678901234567890", "3"}
