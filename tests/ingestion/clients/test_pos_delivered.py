"""The shipped pos.yml reads what the platform exports, as a workbook and as CSV, by every way."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import responses
from fastapi.testclient import TestClient
from requests import PreparedRequest

from ingestion.errors import FetchError, IngestionError
from ingestion.ingest import LoadCounts, ingest
from ingestion.sandbox.server import build_app
from ingestion.sandbox.world import World, build_world
from ingestion.source import SOURCES_FOLDER, Source, Window, load_source
from tests.ingestion.conftest import VAULT_KEY, Platform

TOKEN = "a-token-of-the-tests"
AS_OF = datetime.fromisoformat("2026-11-21T06:00:00+03:00")
WINDOW = Window(
    datetime.fromisoformat("2026-02-01T00:00:00+03:00"),
    datetime.fromisoformat("2026-11-21T00:00:00+03:00"),
)
ENTITIES = ("messages", "cards", "history")
FORMS = ("xlsx", "csv")


@pytest.fixture(scope="module")
def world() -> World:
    return build_world(seed=7, as_of=AS_OF, cases=600)


@pytest.fixture(scope="module")
def sandbox(world: World) -> TestClient:
    return TestClient(build_app(world, TOKEN))


@pytest.fixture
def pos() -> Source:
    return load_source(
        SOURCES_FOLDER / "pos.yml",
        {"TSUR_SANDBOX_URL": "http://sandbox.example", "TSUR_POS_TOKEN": TOKEN},
    )


def export(sandbox: TestClient, region: str, entity: str, form: str) -> bytes:
    answer = sandbox.get(
        f"/pos/{region}/export",
        params={"entity": entity, "from": "2026-02-01", "to": "2026-11-21", "format": form},
        headers={"Authorization": f"Bearer {TOKEN}"},
    )
    assert answer.status_code == 200
    return answer.content


def delivery(sandbox: TestClient, folder: Path, region: str, form: str) -> Path:
    """A folder with the three files that a clerk downloads."""
    folder.mkdir()
    for entity in ENTITIES:
        (folder / f"{entity}_11.{form}").write_bytes(export(sandbox, region, entity, form))
    return folder


def expected(world: World, region: str) -> set[str]:
    first, last = WINDOW.start.date(), WINDOW.end.date()
    return {
        case.native_id
        for case in world.of(region, "pos")
        if first <= case.received_at.date() < last and not case.is_bad
    }


def landed(platform: Platform, entity: str, region: str) -> set[str]:
    rows = platform.rows(f"select native_id from raw.pos_{entity} where region_code = %s", region)
    return {row[0] for row in rows}


def all_but_the_planted_faults_landed(loads: list[LoadCounts]) -> bool:
    """The sandbox breaks a few rows of messages on purpose; the other entities are whole."""
    return all(
        one.outcome == "success"
        and one.rows_landed > 0
        and one.rows_quarantined <= (4 if one.entity == "messages" else 0)
        for one in loads
    )


@pytest.mark.parametrize(("form", "region"), [("xlsx", "tambov"), ("csv", "pskov")])
def test_a_dropped_delivery_lands_once(
    platform: Platform,
    pos: Source,
    sandbox: TestClient,
    world: World,
    tmp_path: Path,
    form: str,
    region: str,
) -> None:
    folder = delivery(sandbox, tmp_path / "drop", region, form)
    loads = platform.ingest(pos, region=region, files=folder)
    assert [one.entity for one in loads] == list(ENTITIES)
    assert all_but_the_planted_faults_landed(loads)
    assert landed(platform, "messages", region) == expected(world, region) != set()
    assert landed(platform, "cards", region) == expected(world, region)
    again = platform.ingest(pos, region=region, files=folder)
    assert [one.rows_landed for one in again] == [0, 0, 0]
    assert [one.rows_unchanged for one in again] == [one.rows_landed for one in loads]


def test_both_forms_of_an_export_are_the_same_records(
    platform: Platform, pos: Source, sandbox: TestClient, tmp_path: Path
) -> None:
    for form in FORMS:
        folder = delivery(sandbox, tmp_path / form, "samara", form)
        loads = platform.ingest(pos, region="samara", files=folder)
        assert all(one.outcome == "success" and one.rows_read for one in loads)
    assert [one.rows_landed for one in loads] == [0, 0, 0]


@pytest.mark.parametrize(("form", "region"), [("xlsx", "jewish_ao"), ("csv", "chelyabinsk")])
def test_both_forms_are_read_over_http(
    platform: Platform,
    pos: Source,
    sandbox: TestClient,
    world: World,
    form: str,
    region: str,
) -> None:
    def answer(request: PreparedRequest) -> tuple[int, dict[str, str], bytes]:
        parts = urlsplit(str(request.url))
        given: dict[str, Any] = dict(parse_qsl(parts.query))
        reply = sandbox.get(parts.path, params=given, headers=dict(request.headers))
        return reply.status_code, {"Content-Type": reply.headers["Content-Type"]}, reply.content

    source = pos.model_copy(update={"file_format": form})
    zone = source.region(region).zone
    window = Window(
        WINDOW.start.replace(tzinfo=zone),
        WINDOW.end.replace(tzinfo=zone),
    )
    with responses.RequestsMock() as mock:
        mock.add_callback(responses.GET, re.compile(r"http://sandbox\.example/"), answer)
        loads = platform.ingest(source, region=region, window=window)
    assert len(loads) == len(ENTITIES)
    assert all_but_the_planted_faults_landed(loads)
    assert landed(platform, "messages", region) == expected(world, region) != set()


def test_one_file_of_a_delivery_is_enough(
    platform: Platform, pos: Source, sandbox: TestClient, tmp_path: Path
) -> None:
    content = export(sandbox, "tambov", "messages", "xlsx")
    (tmp_path / "Messages_10.XLSX").write_bytes(content)
    in_folder = platform.ingest(pos, region="tambov", files=tmp_path)
    by_name = platform.ingest(pos, region="tambov", files=tmp_path / "Messages_10.XLSX")
    for loads in (in_folder, by_name):
        assert [(one.entity, one.outcome) for one in loads] == [("messages", "success")]
        assert loads[0].rows_read > 0


def test_a_delivery_of_nothing_known_is_told_with_the_names_to_use(
    platform: Platform, pos: Source, tmp_path: Path
) -> None:
    (tmp_path / "report.docx").write_bytes(b"PK")
    for files in (tmp_path, tmp_path / "report.docx"):
        loads = platform.ingest(pos, region="tambov", files=files)
        assert {one.error_class for one in loads} == {"folder_empty"}
        assert "messages*, cards*, history*" in str(loads[0].error_message)


def test_a_dropped_file_needs_no_interface(
    platform: Platform, sandbox: TestClient, tmp_path: Path
) -> None:
    path = tmp_path / "cards.csv"
    path.write_bytes(export(sandbox, "tambov", "cards", "csv"))
    offline = load_source(SOURCES_FOLDER / "pos.yml", {})
    assert not offline.is_enabled
    (load,) = platform.ingest(offline, region="tambov", files=path)
    assert (load.entity, load.outcome) == ("cards", "success")


def test_a_file_without_region_or_that_is_not_there_is_refused_at_once(
    platform: Platform, pos: Source, tmp_path: Path
) -> None:
    given = {"database_url": platform.url, "vault_key": VAULT_KEY, "run_id": "test"}
    with pytest.raises(IngestionError, match="--region"):
        ingest(pos, files=tmp_path, **given)  # type: ignore[arg-type]
    with pytest.raises(FetchError, match=r"missing\.csv"):
        ingest(pos, region="tambov", files=tmp_path / "missing.csv", **given)  # type: ignore[arg-type]
    with pytest.raises(IngestionError, match="has no region 'nowhere'; it has tambov"):
        ingest(pos, region="nowhere", files=tmp_path, **given)  # type: ignore[arg-type]
