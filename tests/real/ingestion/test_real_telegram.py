"""Real exports of Telegram Desktop: the public channel lands, the private chats are refused."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ingestion.ingest import IngestionFailed, ingest, prepare_sources
from ingestion.ledger import LoadCounts
from ingestion.source import SOURCES_FOLDER, load_sources
from stack.database import Warehouse

pytestmark = [pytest.mark.real, pytest.mark.server]

VAULT_KEY = "dGVzdC1rZXktb2YtdGhlLXZhdWx0LTMyLWJ5dGVzISE="


@pytest.fixture(scope="module")
def folder(real_data: Path) -> Path:
    return real_data / "posts" / "telegram"


@pytest.fixture(scope="module")
def exports(folder: Path) -> dict[str, Any]:
    return {path.name: json.loads(path.read_text("utf-8-sig")) for path in folder.glob("*.json")}


def load(warehouse: Warehouse, folder: Path) -> list[LoadCounts]:
    source = load_sources(SOURCES_FOLDER, {})["telegram_exports"]
    prepare_sources(warehouse.url("loader"), [source])
    with pytest.raises(IngestionFailed) as caught:
        ingest(
            source,
            database_url=warehouse.url("loader"),
            vault_key=VAULT_KEY,
            run_id="real",
            region="tambov",
            files=folder,
        )
    return caught.value.loads


@pytest.fixture(scope="module")
def loads(warehouse: Warehouse, folder: Path) -> dict[str, LoadCounts]:
    return {str(one.file_name): one for one in load(warehouse, folder)}


def rows(warehouse: Warehouse, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(warehouse.url("loader")) as connection:
        return connection.execute(query).fetchall()


def is_public(export: dict[str, Any]) -> bool:
    return export["type"] in ("public_channel", "public_supergroup")


def test_the_type_of_each_export_decides(
    exports: dict[str, Any], loads: dict[str, LoadCounts]
) -> None:
    assert set(loads) == set(exports)
    assert 0 < sum(map(is_public, exports.values())) < len(exports)
    for name, export in exports.items():
        one = loads[name]
        assert one.is_balanced
        if is_public(export):
            assert (one.outcome, one.rows_read) == ("success", len(export["messages"]))
        else:
            assert (one.outcome, one.error_class, one.rows_read) == ("failed", "private_chat", 0)
            assert export["type"] in str(one.error_message)


def test_of_a_refused_export_only_name_digest_and_reason_are_kept(
    warehouse: Warehouse, folder: Path, exports: dict[str, Any], loads: dict[str, LoadCounts]
) -> None:
    private = {name for name, export in exports.items() if not is_public(export)}
    kept = rows(warehouse, "select file_name, file_sha256 from ops.loads where outcome = 'failed'")
    assert set(kept) == {
        (name, hashlib.sha256((folder / name).read_bytes()).hexdigest()) for name in private
    }
    entries = {name for (name,) in rows(warehouse, "select file_name from ops.quarantine")}
    assert not entries & private
    told = "\n".join(
        str(value)
        for row in rows(
            warehouse,
            "select payload::text || record::text from raw.telegram_messages"
            " union all select coalesce(error_message, '') from ops.loads",
        )
        for value in row
    )
    for name in private:
        people = {
            str(message[field])
            for message in exports[name]["messages"]
            for field in ("from", "from_id", "actor", "actor_id")
            if message.get(field) and message[field] != "Me"
        }
        assert people
        assert not [one for one in people if one in told]


def test_messages_of_the_channel_land_as_they_were_written(
    warehouse: Warehouse, exports: dict[str, Any], loads: dict[str, LoadCounts]
) -> None:
    found = dict(rows(warehouse, "select native_id, record from raw.telegram_messages"))
    messages = {
        f"{export['id']}_{message['id']}": message
        for export in exports.values()
        if is_public(export)
        for message in export["messages"]
        if message["type"] == "message"
    }
    assert set(found) == set(messages)
    for key, message in messages.items():
        parts = message["text"] if isinstance(message["text"], list) else [message["text"]]
        written = "".join(part if isinstance(part, str) else part["text"] for part in parts)
        assert found[key].get("text", "") == written
        assert found[key]["kind"] == "post"
    assert rows(
        warehouse,
        "select count(*) from raw.telegram_messages"
        " where extract(epoch from source_changed_at)::bigint::text = payload ->> 'edited_unixtime'"
        " and extract(epoch from (record ->> 'received_at')::timestamptz)::bigint::text"
        " = payload ->> 'date_unixtime'",
    ) == [(len(messages),)]


def test_the_same_exports_again_change_nothing(
    warehouse: Warehouse, folder: Path, loads: dict[str, LoadCounts]
) -> None:
    again = load(warehouse, folder)
    assert sum(one.rows_landed for one in again) == 0
    assert sum(one.rows_unchanged for one in again) == sum(
        one.rows_landed for one in loads.values()
    )
