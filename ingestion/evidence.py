"""What could not land, kept sealed in `ops.quarantine`: its reason and the place it came from."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass
from typing import Any

import psycopg

from ingestion.clients.base import Item
from ingestion.errors import IngestionError, RecordError, UnreadableAnswer
from ingestion.vault import Vault

_ENVELOPE = "tsur_item"


@dataclass(frozen=True, slots=True)
class Place:
    """Where an entry belongs."""

    load_id: int
    source_code: str
    region_code: str
    entity: str
    file_name: str | None


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of `ops.quarantine`; `content` fetches and unseals its bytes."""

    quarantine_id: int
    load_id: int
    source_code: str
    region_code: str
    entity: str
    error_code: str
    is_whole_answer: bool
    file_name: str | None
    row_number: int | None


def pack(item: Item) -> bytes:
    """The bytes to keep of an item: its own, or its fields with what the client derived."""
    if item.raw is not None:
        return item.raw
    envelope = {_ENVELOPE: {"fields": item.fields, "derived": item.derived}}
    return json.dumps(envelope, sort_keys=True).encode()


def unpack(packed: bytes) -> Item | None:
    """The item of `pack`; None when the bytes are the source's own and must be read again."""
    try:
        envelope = json.loads(packed)
    except ValueError:
        return None
    if not isinstance(envelope, dict) or set(envelope) != {_ENVELOPE}:
        return None
    item = envelope[_ENVELOPE]
    return Item(item["fields"], derived=item["derived"])


def _reason(error: IngestionError, native_id: str | None, row_number: int | None) -> str:
    if native_id:
        return f"Record {native_id}: {error}"
    return str(error) if row_number is None else f"Row {row_number}: {error}"


class Writer:
    """Collects the entries of one load and writes them in batches, in its transaction."""

    def __init__(self, connection: psycopg.Connection, vault: Vault, place: Place) -> None:
        self._connection = connection
        self._vault = vault
        self._place = place
        self._rows: list[tuple[Any, ...]] = []
        self._seen: Counter[bytes] = Counter()
        self.count = 0

    def add(
        self,
        error: IngestionError,
        content: bytes,
        *,
        native_id: str | None = None,
        row_number: int | None = None,
        sha256: str | None = None,
        lasting: bytes | None = None,
    ) -> None:
        """Keep one record, or the whole answer when the error is an UnreadableAnswer.

        `lasting` is what of the content makes a version, where that is less than all of it.
        """
        is_whole = isinstance(error, UnreadableAnswer)
        place = self._place
        digest = hashlib.sha256(content if lasting is None else lasting).digest()
        if native_id is None and not is_whole:
            # Equal records without a key are told apart by their ordinal in the load.
            self._seen[digest] += 1
        # The same bad record in the next page, window or load is the same entry.
        fingerprint = self._vault.fingerprint(
            place.source_code.encode(),
            place.region_code.encode(),
            place.entity.encode(),
            digest,
            str(self._seen[digest]).encode(),
        )
        self._rows.append(
            (
                place.load_id,
                place.load_id,
                place.source_code,
                place.region_code,
                place.entity,
                native_id,
                error.code,
                _reason(error, native_id, row_number),
                error.field if isinstance(error, RecordError) else None,
                self._vault.seal(content),
                is_whole,
                fingerprint,
                error.name if isinstance(error, UnreadableAnswer) else place.file_name,
                hashlib.sha256(content).hexdigest() if is_whole else sha256,
                row_number,
            )
        )
        self.count += 1
        if len(self._rows) >= 1_000:
            self.flush()

    def flush(self) -> None:
        """Write what was collected."""
        if not self._rows:
            return
        with self._connection.cursor() as cursor:
            cursor.executemany(
                """
                insert into ops.quarantine
                    (load_id, last_load_id, source_code, region_code, entity, native_id,
                     error_code, reason, field, raw_sealed, is_whole_answer, fingerprint,
                     file_name, file_sha256, row_number)
                values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
                on conflict (fingerprint) where state = 'open' do update
                set last_load_id = excluded.last_load_id, error_code = excluded.error_code,
                    reason = excluded.reason, field = excluded.field
                """,
                self._rows,
            )
        self._rows.clear()


def open_entries(connection: psycopg.Connection, *, load_id: int | None = None) -> list[Entry]:
    """Open entries in the order of their arrival, all or those that a load brought or met."""
    cursor = connection.execute(
        """
        select quarantine_id, load_id, source_code, region_code, entity, error_code,
            is_whole_answer, file_name, row_number
        from ops.quarantine
        where state = 'open'
            and (%(load_id)s::bigint is null or %(load_id)s in (load_id, last_load_id))
        order by quarantine_id
        """,
        {"load_id": load_id},
    )
    return [Entry(*row) for row in cursor]


def content(connection: psycopg.Connection, vault: Vault, entry: Entry) -> bytes:
    """The bytes of an entry; cryptography.fernet.InvalidToken under another vault key."""
    row = connection.execute(
        "select raw_sealed from ops.quarantine where quarantine_id = %s", [entry.quarantine_id]
    ).fetchone()
    if row is None:
        raise LookupError(f"quarantine entry {entry.quarantine_id} is gone")
    return vault.unseal(row[0])


def resolve(connection: psycopg.Connection, quarantine_ids: list[int], load_id: int) -> None:
    """Mark entries as landed by a load."""
    connection.execute(
        "update ops.quarantine set state = 'replayed', replayed_load_id = %s"
        " where quarantine_id = any(%s) and state = 'open'",
        [load_id, quarantine_ids],
    )


def refresh(
    connection: psycopg.Connection, entry: Entry, error: IngestionError, load_id: int
) -> None:
    """An entry that a replay could not land: the reason of this attempt."""
    connection.execute(
        "update ops.quarantine set error_code = %s, reason = %s, field = %s, last_load_id = %s"
        " where quarantine_id = %s",
        [
            error.code,
            _reason(error, None, entry.row_number),
            error.field if isinstance(error, RecordError) else None,
            load_id,
            entry.quarantine_id,
        ],
    )
