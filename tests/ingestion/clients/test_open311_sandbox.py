"""A new city without Python: the YAMLs of the tutorial and of the platform, over real HTTP."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import uvicorn

from ingestion.ledger import LoadCounts
from ingestion.sandbox.regions import REGIONS
from ingestion.sandbox.server import build_app
from ingestion.sandbox.world import Case, World, build_world
from ingestion.source import SOURCES_FOLDER, Source, Window, load_source
from tests.ingestion.conftest import Platform

TUTORIAL = Path(__file__).resolve().parents[3] / "docs" / "tutorials" / "new_city.md"
AS_OF = datetime.fromisoformat("2026-11-21T06:00:00+03:00")
WINDOW = Window(AS_OF - timedelta(days=200), AS_OF)

Declared = Callable[[str], Source]


@pytest.fixture(scope="module")
def world() -> World:
    return build_world(seed=7, as_of=AS_OF, cases=1500)


@pytest.fixture(scope="module")
def sandbox(world: World) -> Iterator[str]:
    """The sandbox on a free port of the loopback interface; what is asked early waits."""
    listener = socket.create_server(("127.0.0.1", 0))
    application = build_app(world, "a-token")
    server = uvicorn.Server(uvicorn.Config(application, log_level="critical", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join()
    listener.close()


def tutorial(folder: Path, code: str, address: str) -> Source:
    """A YAML as the tutorial prints it."""
    text = TUTORIAL.read_text(encoding="utf-8")
    (block,) = re.findall(
        rf"```yaml\n(# ingestion/sources/{code}\.yml\n.*?)```", text, flags=re.DOTALL
    )
    path = folder / f"{code}.yml"
    path.write_text(block, encoding="utf-8")
    return load_source(path, {"TSUR_SANDBOX_URL": address})


def shipped(code: str, address: str) -> Source:
    return load_source(SOURCES_FOLDER / f"{code}.yml", {"TSUR_FULL_SANDBOX_URL": address})


def cases(world: World, region: str, *, is_open: bool | None = None) -> dict[str, Case]:
    """Cases of the window by number; those that were spoilt on purpose are left out."""
    zone = REGIONS[region].zone
    return {
        case.native_id: case
        for case in world.of(region, "open311")
        if case.bad_reason is None
        and WINDOW.start <= case.received_at.replace(tzinfo=zone) < WINDOW.end
        and is_open in (None, case.cycles[-1].closed_at is None)
    }


def assert_sound(loads: list[LoadCounts]) -> None:
    assert loads
    assert all(one.is_balanced and one.outcome == "success" for one in loads), loads


def landed(platform: Platform, table: str, region: str) -> dict[str, dict[str, object]]:
    rows = platform.rows(
        f"select native_id, record from raw.{table} where region_code = %s and not is_deleted",
        region,
    )
    return dict(rows)


def test_the_city_of_the_tutorial_is_found_by_its_discovery_document(
    platform: Platform, world: World, sandbox: str, tmp_path: Path
) -> None:
    source = tutorial(tmp_path, "city_by_discovery", sandbox)
    assert_sound(platform.ingest(source, window=WINDOW))
    found = landed(platform, "city_by_discovery", "samara")
    expected = cases(world, "samara")
    assert expected.keys() <= found.keys()
    for number, case in expected.items():
        moment = datetime.fromisoformat(str(found[number]["received_at"]))
        assert moment == case.received_at.replace(tzinfo=REGIONS["samara"].zone)
        assert found[number]["text"] == case.text
        assert found[number]["is_closed"] is (case.cycles[-1].closed_at is not None)
    (again,) = platform.ingest(source, window=WINDOW)
    assert (again.rows_landed, again.rows_tombstoned) == (0, 0)


def test_the_portal_of_the_tutorial_lands_though_it_does_everything_otherwise(
    platform: Platform, world: World, sandbox: str, tmp_path: Path
) -> None:
    source = tutorial(tmp_path, "city_portal", sandbox)
    assert_sound(platform.ingest(source, window=WINDOW))
    found = landed(platform, "city_portal", "samara")
    expected = cases(world, "samara", is_open=True)
    assert expected
    for number, case in expected.items():
        record = found[number.replace("-", "")]
        # The portal's clock has no offset: it is the region's.
        assert record["received_at"] == case.received_at.isoformat() + "+04:00"
        assert (record["text"], record["address"]) == (case.text, case.address.line)
        assert record["is_closed"] is False


def test_the_full_sandbox_is_read_by_the_platform_s_own_sources(
    platform: Platform, world: World, sandbox: str
) -> None:
    discovered, portal = (shipped(f"open311_{name}", sandbox) for name in ("discovered", "portal"))
    for source in (discovered, portal):
        assert_sound(platform.ingest(source, window=WINDOW))
    for region in ("tambov", "jewish_ao"):
        found = landed(platform, "open311_discovered_requests", region)
        assert cases(world, region).keys() <= found.keys()
    for region in ("chelyabinsk", "samara"):
        found = landed(platform, "open311_portal_requests", region)
        numbers = {number.replace("-", "") for number in cases(world, region, is_open=True)}
        assert numbers <= found.keys()
    services = platform.rows("select count(*) from raw.open311_portal_services")
    definitions = platform.rows(
        "select count(*) from raw.open311_portal_definitions"
        " where payload -> 'attributes' -> 0 ->> 'code' = 'DANGER'"
    )
    assert services == definitions == [(2 * len(world.catalog.services),)]


def test_no_person_of_the_cities_stands_in_the_clear(
    platform: Platform, world: World, sandbox: str
) -> None:
    named = {
        name
        for region in ("tambov", "jewish_ao", "samara", "chelyabinsk")
        for case in cases(world, region).values()
        for name in (case.person.full_name, case.person.email)
        if name not in case.text
    }
    stored = "\n".join(
        row[0]
        for table in ("open311_discovered_requests", "open311_portal_requests")
        for row in platform.rows(
            f"select (payload - 'description')::text || (record - 'text')::text from raw.{table}"
        )
    )
    assert stored
    assert not [name for name in named if name in stored]
