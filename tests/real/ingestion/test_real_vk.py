"""Recorded VK answers, through the VK client and the server that plays them back."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import uvicorn

from ingestion.ingest import ingest, prepare_sources
from ingestion.ledger import LoadCounts
from ingestion.sandbox.recorded_vk import build_recorded_app
from ingestion.source import SOURCES_FOLDER, load_sources
from stack.database import Warehouse
from stack.postgres import free_port

pytestmark = [pytest.mark.real, pytest.mark.server]

VAULT_KEY = "dGVzdC1rZXktb2YtdGhlLXZhdWx0LTMyLWJ5dGVzISE="
TOKEN = "recorded"


@pytest.fixture(scope="module")
def answers(real_data: Path) -> list[Any]:
    folder = real_data / "posts" / "vk_api_responses"
    return [json.loads(path.read_text("utf-8-sig")) for path in sorted(folder.glob("*.json"))]


@pytest.fixture(scope="module")
def recorded_url(real_data: Path) -> Iterator[str]:
    app = build_recorded_app(real_data / "posts" / "vk_api_responses", TOKEN)
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 30
    while not server.started:
        assert time.monotonic() < deadline, "the server of recorded answers did not start"
        time.sleep(0.02)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(timeout=10)


@pytest.fixture(scope="module")
def load(warehouse: Warehouse, recorded_url: str) -> LoadCounts:
    environment = {"TSUR_VK_RECORDED_URL": recorded_url, "TSUR_VK_TOKEN": TOKEN}
    source = load_sources(SOURCES_FOLDER, environment)["vk_api_responses"]
    prepare_sources(warehouse.url("loader"), [source])
    (one,) = ingest(
        source, database_url=warehouse.url("loader"), vault_key=VAULT_KEY, run_id="real"
    )
    return one


def rows(warehouse: Warehouse, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(warehouse.url("loader")) as connection:
        return connection.execute(query).fetchall()


def items_of(answer: Any) -> list[Any]:
    """The items of an answer; an answer without a list is one item that is no case."""
    response = answer.get("response", answer) if isinstance(answer, dict) else answer
    listed = response if isinstance(response, list) else response.get("items")
    return listed if isinstance(listed, list) else [None]


def test_every_recorded_item_is_landed_or_kept_with_a_reason(
    warehouse: Warehouse, answers: list[Any], load: LoadCounts
) -> None:
    items = [item for answer in answers for item in items_of(answer)]
    cases = [
        item
        for item in items
        if isinstance(item, dict) and item.get("type", "post") in ("post", "reply", "copy")
    ]
    assert load.outcome == "success"
    assert load.is_balanced
    assert load.rows_read == len(items)
    assert load.rows_landed + load.rows_unchanged == len(cases)
    reasons = rows(warehouse, "select error_code, count(*) from ops.quarantine group by 1")
    assert sum(count for _, count in reasons) == len(items) - len(cases)
    assert {code for code, _ in reasons} <= {"not_a_post", "no_item"}


def test_deleted_comments_land_as_deleted(
    warehouse: Warehouse, answers: list[Any], load: LoadCounts
) -> None:
    deleted = sum(
        1
        for answer in answers
        for item in items_of(answer)
        if isinstance(item, dict) and item.get("deleted")
    )
    assert rows(
        warehouse,
        "select count(*) from raw.vk_api_responses"
        " where (record ->> 'is_deleted_at_source')::boolean",
    ) == [(deleted,)]


def persons(value: Any) -> set[int]:
    """Accounts of persons anywhere in an answer, long enough to be told from other numbers."""
    if isinstance(value, dict):
        own = {
            value[name]
            for name in ("from_id", "owner_id", "signer_id", "source_id")
            if isinstance(value.get(name), int) and value[name] >= 10_000
        }
        return own.union(*(persons(item) for item in value.values()))
    if isinstance(value, list):
        return set().union(*(persons(item) for item in value))
    return set()


def profiles(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for profile in value.get("profiles") or []:
            yield from (profile[n] for n in ("screen_name", "last_name") if profile.get(n))
        for item in value.values():
            yield from profiles(item)


def test_neither_accounts_nor_profiles_land_in_the_clear(
    warehouse: Warehouse, answers: list[Any], load: LoadCounts
) -> None:
    stored = "\n".join(
        row[0]
        for row in rows(
            warehouse,
            "select native_id || (payload - 'text')::text || (record - 'text')::text"
            " from raw.vk_api_responses"
            " union all select coalesce(native_id, '') || reason from ops.quarantine",
        )
    )
    accounts = set().union(*(persons(answer) for answer in answers))
    assert accounts
    assert not [one for one in accounts if re.search(rf"(?<!\d){one}(?!\d)", stored)]
    names = {name for answer in answers for name in profiles(answer) if len(name) > 3}
    assert not [name for name in names if re.search(rf"\b{re.escape(name)}\b", stored)]
