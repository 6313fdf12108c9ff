"""Whatever order, overlap and repetition the windows come in, the same lands as by one load."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
import responses
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from requests import PreparedRequest

from ingestion.ingest import ingest, prepare_sources
from ingestion.source import Source, Window, load_source
from stack.database import Warehouse
from tests.ingestion.conftest import HEAD, VAULT_KEY

START = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = 12
URL = "http://portal.example"
YAML = f"""
kind: open311
deadline: source
window: {{days: 1}}
page_size: 3
max_window_days: 4
regions: [{{code: pskov, time_zone: Europe/Moscow, endpoint: "{URL}"}}]
entities:
  requests:
    table: windows
    role: case
    kind: request
    key: service_request_id
    listing: window
    volatile: [seen]
    identity: {{phone: phone}}
    record:
      received_at: requested_datetime
      text: description
      source_due_at: expected_datetime
      applicant_key: phone
"""
REQUESTS: list[dict[str, Any]] = [
    {
        "service_request_id": n,
        "requested_datetime": (START + timedelta(hours=n * 7)).isoformat(),
        "description": f"Яма {n % 5}",
        "phone": f"+7912000000{n % 7}",
    }
    for n in range(DAYS * 24 // 7)
] + [{"service_request_id": 999, "requested_datetime": "3020-01-01", "description": "год"}]


def serve(order: int) -> Callable[[PreparedRequest], tuple[int, dict[str, str], str]]:
    """A portal that pages through the same records, each time in another order."""

    def answer(request: PreparedRequest) -> tuple[int, dict[str, str], str]:
        asked: dict[str, str] = request.params  # type: ignore[attr-defined]
        start, end = (datetime.fromisoformat(asked[f"{n}_date"]) for n in ("start", "end"))
        found = [
            record
            for record in REQUESTS
            if record["requested_datetime"] == "3020-01-01"
            or start <= datetime.fromisoformat(record["requested_datetime"]) < end
        ]
        shift = order % max(1, len(found))
        found = found[shift:] + found[:shift]
        page, size = int(asked["page"]), int(asked["page_size"])
        chosen = found[(page - 1) * size : page * size]
        # Keys come in another order and a counter moves: neither is a change of the record.
        body = [
            dict(sorted({**one, "seen": order}.items(), reverse=order % 2 == 1)) for one in chosen
        ]
        return 200, {}, json.dumps(body)

    return answer


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    path: Path = tmp_path_factory.mktemp("sources") / "windows.yml"
    path.write_text(HEAD + YAML, encoding="utf-8")
    return load_source(path, {})


def load(warehouse: Warehouse, source: Source, first: int, last: int, order: int) -> None:
    with responses.RequestsMock() as portal:
        portal.add_callback(responses.GET, f"{URL}/requests.json", callback=serve(order))
        loads = ingest(
            source,
            database_url=warehouse.url("loader"),
            vault_key=VAULT_KEY,
            window=Window(START + timedelta(days=first), START + timedelta(days=last)),
            run_id="property",
        )
    assert all(one.is_balanced and one.outcome == "success" for one in loads)


def state(warehouse: Warehouse) -> tuple[list[Any], list[Any], list[Any]]:
    """Everything that landed, without the numbers that tell when it did."""
    with psycopg.connect(warehouse.url("loader")) as connection:
        rows = connection.execute(
            "select record_key, native_id, payload - 'seen', record, payload_hash, is_deleted"
            " from raw.windows order by record_key, payload_hash, is_deleted"
        ).fetchall()
        kept = connection.execute(
            "select native_id, error_code, state from ops.quarantine order by 1, 2"
        ).fetchall()
        people = connection.execute(
            "select pseudonym, kind from vault.identities order by 1"
        ).fetchall()
    return rows, kept, people


def empty(warehouse: Warehouse) -> None:
    with psycopg.connect(warehouse.url("owner"), autocommit=True) as owner:
        owner.execute(
            "truncate raw.windows, ops.loads, ops.quarantine, ops.watermarks, vault.identities"
            " cascade"
        )


windows = st.lists(
    st.tuples(st.integers(0, DAYS - 1), st.integers(1, DAYS), st.integers(0, 9)).map(
        lambda one: (one[0], min(DAYS, one[0] + one[1]), one[2])
    ),
    max_size=4,
)


@settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(some=windows, cover=st.permutations([(0, 5), (4, 9), (8, DAYS)]), order=st.integers(0, 9))
def test_any_order_overlap_and_repetition_of_windows_lands_the_same(
    warehouse: Warehouse,
    source: Source,
    some: list[tuple[int, int, int]],
    cover: list[tuple[int, int]],
    order: int,
) -> None:
    prepare_sources(warehouse.url("loader"), [source])
    empty(warehouse)
    load(warehouse, source, 0, DAYS, 0)
    once = state(warehouse)
    assert len(once[0]) == len(REQUESTS) - 1
    assert len(once[1]) == 1
    empty(warehouse)
    for first, last, shuffled in some:
        load(warehouse, source, first, last, shuffled)
    for first, last in cover:
        load(warehouse, source, first, last, order)
    assert state(warehouse) == once
