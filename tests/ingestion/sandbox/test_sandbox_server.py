"""What the servers promise: protocols, their limits, their bytes."""

from __future__ import annotations

import csv
import io
import itertools
from datetime import datetime
from typing import Any

import openpyxl
import pytest
from fastapi.testclient import TestClient

from ingestion.sandbox import tables
from ingestion.sandbox.regions import REGIONS
from ingestion.sandbox.server import build_app
from ingestion.sandbox.truth import counts
from ingestion.sandbox.world import World, build_world

WHOLE = {"from": "2024-01-01", "to": "2027-01-01"}


def _sheet(content: bytes) -> list[tuple[Any, ...]]:
    page = openpyxl.load_workbook(io.BytesIO(content), read_only=True).worksheets[0]
    return list(page.iter_rows(values_only=True))


def _csv(content: bytes, encoding: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode(encoding), newline=""), delimiter=";"))


def test_pos_without_the_token_or_with_another_is_refused(client: TestClient) -> None:
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic eDp5"}):
        answer = client.get("/pos/tambov/export", params=WHOLE, headers=headers)
        assert answer.status_code == 401


def test_the_export_has_the_25_columns_of_pos(client: TestClient, bearer: dict[str, str]) -> None:
    answer = client.get("/pos/pskov/export", params=WHOLE, headers=bearer)
    rows = _sheet(answer.content)
    assert len(rows[0]) == 25
    assert rows[0][0] == "Номер"
    assert rows[0][20:22] == ("Оценка ответа заявителем", "Повторное рассмотрение")


@pytest.mark.parametrize("entity", ["messages", "cards", "history"])
def test_csv_and_xlsx_carry_the_same_rows(
    client: TestClient, bearer: dict[str, str], entity: str
) -> None:
    params = WHOLE | {"entity": entity}
    book = client.get("/pos/samara/export", params=params, headers=bearer).content
    text = client.get(
        "/pos/samara/export", params=params | {"format": "csv"}, headers=bearer
    ).content
    assert text.startswith(b"\xef\xbb\xbf")
    from_book = [["" if cell is None else str(cell) for cell in row] for row in _sheet(book)]
    width = len(from_book[0])
    padded = [row + [""] * (width - len(row)) for row in from_book]
    assert padded == _csv(text, "utf-8-sig")


def test_windows_of_pos_are_half_open_and_add_up(
    client: TestClient, bearer: dict[str, str], world: World
) -> None:
    def count(first: str, until: str) -> int:
        params = {"from": first, "to": until}
        return (
            len(_sheet(client.get("/pos/tambov/export", params=params, headers=bearer).content)) - 1
        )

    parts = [count("2024-11-01", "2025-07-01"), count("2025-07-01", "2026-03-03")]
    parts.append(count("2026-03-03", "2026-12-01"))
    assert all(parts)
    assert sum(parts) == len(world.of("tambov", "pos"))
    assert count("2026-03-03", "2026-03-03") == 0


def test_dates_of_the_export_have_no_time_and_the_history_has_local_time(
    client: TestClient, bearer: dict[str, str]
) -> None:
    message = _sheet(client.get("/pos/jewish_ao/export", params=WHOLE, headers=bearer).content)[2]
    datetime.strptime(message[9], "%d.%m.%Y")
    params = WHOLE | {"entity": "history"}
    event = _sheet(client.get("/pos/jewish_ao/export", params=params, headers=bearer).content)[1]
    datetime.strptime(event[4], "%d.%m.%Y %H:%M")
    assert event[3] == "Поступило"


def test_an_unknown_region_register_or_format_is_404(
    client: TestClient, bearer: dict[str, str]
) -> None:
    assert client.get("/pos/moscow/export", params=WHOLE, headers=bearer).status_code == 404
    assert client.get("/registers/tambov/nothing.csv").status_code == 404
    assert client.get("/registers/tambov/populations.pdf").status_code == 404


def test_the_municipal_register_is_cp1251_with_its_columns(client: TestClient) -> None:
    answer = client.get("/registers/chelyabinsk/municipal_register.csv")
    rows = _csv(answer.content, "cp1251")
    assert tuple(rows[0]) == tables.REGISTER_COLUMNS
    assert "windows-1251" in answer.headers["content-type"]
    assert any(row[-1] for row in rows[1:])


def test_a_wrong_token_is_refused_by_open_endpoints_too(client: TestClient) -> None:
    headers = {"Authorization": "Bearer wrong"}
    assert client.get("/registers/tambov/populations.xlsx", headers=headers).status_code == 401
    assert client.get("/open311/tambov/v2/services.json", headers=headers).status_code == 401


def test_georeport_refuses_more_than_90_days(client: TestClient) -> None:
    params = {"start_date": "2026-01-01T00:00:00Z", "end_date": "2026-04-01T00:00:00Z"}
    assert client.get("/open311/samara/v2/requests.json", params=params).status_code == 200
    params["end_date"] = "2026-04-01T00:00:01Z"
    answer = client.get("/open311/samara/v2/requests.json", params=params)
    assert answer.status_code == 400
    assert answer.json()[0]["code"] == 400


def test_georeport_hands_out_no_more_than_1000_requests(as_of: datetime) -> None:
    from ingestion.sandbox import open311

    crowded = build_world(seed=3, as_of=as_of, cases=200)
    limit, open311.GEOREPORT_ROWS = open311.GEOREPORT_ROWS, 3
    try:
        client = TestClient(build_app(crowded, "t"))
        window = {"start_date": "2026-05-01T00:00:00Z", "end_date": "2026-07-30T00:00:00Z"}
        url = "/open311/chelyabinsk/v2/requests.json"
        first = client.get(url, params=window | {"page_size": 5000})
        assert limit == 1000
        total = int(first.headers["x-total-count"])
        assert len(first.json()) == min(3, total)
    finally:
        open311.GEOREPORT_ROWS = limit


def test_pages_of_georeport_add_up_to_the_window(client: TestClient) -> None:
    params: dict[str, Any] = {"start_date": "2026-06-01T00:00:00+05:00"}
    params["end_date"] = "2026-08-30T00:00:00+05:00"
    url = "/open311/chelyabinsk/v2/requests.json"
    whole = client.get(url, params=params).json()
    paged: list[Any] = []
    page = 1
    while part := client.get(url, params=params | {"page": page, "page_size": 3}).json():
        assert len(part) <= 3
        paged += part
        page += 1
    assert paged == whole
    assert len(whole) > 5
    closed = client.get(url, params=params | {"status": "closed"}).json()
    assert {item["status"] for item in closed} == {"closed"}
    opened = client.get(url, params=params | {"status": "open"}).json()
    assert len(closed) + len(opened) == len(whole)


def test_georeport_items_carry_offset_times_and_sometimes_a_person(client: TestClient) -> None:
    params = {"start_date": "2026-08-01T00:00:00+05:00", "end_date": "2026-10-30T00:00:00+05:00"}
    items = client.get("/open311/chelyabinsk/v2/requests.json", params=params).json()
    named = [item for item in items if "requestor_name" in item]
    assert 0 < len(named) < len(items)
    good = [
        item
        for item in items
        if item["service_request_id"] and "-02-30" not in item["requested_datetime"]
    ]
    for item in good:
        assert item["requested_datetime"].endswith("+05:00")
        if item["status"] == "closed":
            assert item["closed_datetime"] == item["updated_datetime"]


def test_same_seed_and_as_of_give_the_same_bytes(as_of: datetime) -> None:
    def everything() -> list[bytes]:
        client = TestClient(build_app(build_world(seed=5, as_of=as_of, cases=120), "t"))
        bearer = {"Authorization": "Bearer t"}
        found = [
            client.get(
                "/pos/samara/export", params=WHOLE | {"entity": entity}, headers=bearer
            ).content
            for entity in ("messages", "cards", "history")
        ]
        found += [
            client.get(f"/registers/samara/{name}").content
            for name in ("municipal_register.csv", "duty_rosters.xlsx", "populations.xlsx")
        ]
        params = {"start_date": "2026-08-01T00:00:00Z", "end_date": "2026-10-30T00:00:00Z"}
        found.append(client.get("/open311/samara/v2/requests.json", params=params).content)
        call = {"access_token": "t", "v": "5.199", "owner_id": REGIONS["samara"].walls[0].owner_id}
        found.append(client.get("/vk/method/wall.get", params=call).content)
        return found

    assert everything() == everything()


def test_the_truth_counts_what_the_endpoints_hand_out(
    client: TestClient, bearer: dict[str, str], world: World, vk: Any
) -> None:
    told = counts(world)["regions"]
    for region in REGIONS:
        for entity, rows in told[region]["pos"]["rows"].items():
            params = WHOLE | {"entity": entity}
            content = client.get(f"/pos/{region}/export", params=params, headers=bearer).content
            assert len(_sheet(content)) - 1 == rows
        register = client.get(f"/registers/{region}/municipal_register.csv").content
        assert (
            len(_csv(register, "cp1251")) - 1 == told[region]["municipal_register"]["rows"]["rows"]
        )
        for name in ("duty_rosters", "checked_replies", "populations"):
            content = client.get(f"/registers/{region}/{name}.xlsx").content
            assert len(_sheet(content)) - 1 == told[region][name]["rows"][name]
        bounds = [
            f"{year}-{month:02d}-01T00:00:00+00:00"
            for year in (2024, 2025, 2026)
            for month in (1, 4, 7, 10)
        ]
        bounds = [*bounds[3:], "2027-01-01T00:00:00+00:00"]
        requests = 0
        for start, end in itertools.pairwise(bounds):
            middle = start.replace("-01T", "-20T")
            for first, until in ((start, middle), (middle, end)):
                params = {"start_date": first, "end_date": until}
                requests += len(
                    client.get(f"/open311/{region}/v2/requests.json", params=params).json()
                )
        assert requests == told[region]["open311"]["rows"]["requests"]


def test_bad_rows_are_served_and_told(
    client: TestClient, bearer: dict[str, str], world: World
) -> None:
    for region in REGIONS:
        rows = _sheet(client.get(f"/pos/{region}/export", params=WHOLE, headers=bearer).content)[1:]
        told = counts(world)["regions"][region]["pos"]["bad_reasons"]
        assert sum(not row[0] for row in rows) == told.get("empty_number", 0)
        assert sum(row[20] == "5 звёзд" for row in rows) == told.get("wrong_rating", 0)
        assert sum(row[9].startswith("31.02") for row in rows) == told.get("impossible_date", 0)


def test_verdicts_of_the_source_are_mostly_true_and_sometimes_wrong(world: World) -> None:
    messages = [case for case in world.cases if case.source_code == "pos" and not case.is_bad]
    wrong = sum(
        (case.source_verdict == "Да")
        != (case.cycles[-1].deadline_status in ("late", "overdue_open"))
        for case in messages
    )
    assert 0 < wrong < 0.05 * len(messages)


def test_health_tells_the_as_of(client: TestClient, world: World) -> None:
    assert client.get("/health").json()["as_of"] == world.as_of.isoformat()
