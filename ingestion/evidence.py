"""What could not land, kept sealed in `ops.quarantine`: its reason and the place it came from."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from ingestion.errors import IngestionError, RecordError, UnreadableAnswer, storable
from ingestion.spool import nameless_file
from ingestion.vault import Vault

_BATCH = 1_000
_BATCH_BYTES = 16 << 20
_PART_BYTES = 4 << 20

_INSERT = """
insert into ops.quarantine
    (load_id, last_load_id, source_code, region_code, entity, native_id, error_code, reason, field,
     raw_sealed, is_whole_answer, fingerprint, file_name, file_sha256, row_number)
values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
on conflict (fingerprint) where state = 'open' do update
set last_load_id = excluded.last_load_id, error_code = excluded.error_code,
    reason = excluded.reason, field = excluded.field
"""


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
    """One entry of `ops.quarantine`; `content` fetches its bytes.

    `is_end_told` is False when nobody told whether the file or answer went on.
    """

    quarantine_id: int
    load_id: int
    source_code: str
    region_code: str
    entity: str
    error_code: str
    is_whole_answer: bool
    file_name: str | None
    row_number: int | None
    is_end_told: bool = True


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
        self._bytes = 0
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
        file_name: str | None = None,
        lasting: bytes | None = None,
    ) -> None:
        """Keep one record.

        `file_name` is the file or answer it was in, otherwise that of the load. `lasting` is what
        of the content makes a version, where that is less than all of it.
        """
        digest = hashlib.sha256(content if lasting is None else lasting).digest()
        if native_id is None:
            # Equal records without a key are told apart by their ordinal in the load.
            self._seen[digest] += 1
        sealed = self._vault.seal(content)
        self._bytes += len(sealed)
        self._rows.append(
            self._row(
                error,
                native_id=native_id,
                sealed=sealed,
                fingerprint=self._fingerprint(digest, self._seen[digest]),
                file_name=file_name or self._place.file_name,
                sha256=sha256,
                row_number=row_number,
            )
        )
        self.count += 1
        if len(self._rows) >= _BATCH or self._bytes >= _BATCH_BYTES:
            self.flush()

    def add_whole(self, error: UnreadableAnswer) -> None:
        """Keep a whole file or answer, part by part."""
        self.flush()
        digest = hashlib.sha256()
        while part := error.content.read(_PART_BYTES):
            digest.update(part)
        error.content.seek(0)
        row = self._row(
            error,
            native_id=None,
            sealed=None,
            fingerprint=self._fingerprint(digest.digest(), 0),
            file_name=storable(error.name),
            sha256=digest.hexdigest(),
            row_number=None,
        )
        with self._connection.cursor() as cursor:
            found = cursor.execute(f"{_INSERT} returning quarantine_id", row).fetchone()
            if found is None:
                raise psycopg.InternalError("insert … returning gave no row")
            number = 0
            while part := error.content.read(_PART_BYTES):
                number += 1
                cursor.execute(
                    "insert into ops.quarantine_parts (quarantine_id, part, content_sealed)"
                    " values (%s, %s, %s) on conflict do nothing",
                    [found[0], number, self._vault.seal(part)],
                )
        error.content.close()
        self.count += 1

    def _fingerprint(self, digest: bytes, ordinal: int) -> bytes:
        """The same bad record in the next page, window or load is the same entry."""
        place = self._place
        return self._vault.fingerprint(
            place.source_code.encode(),
            place.region_code.encode(),
            place.entity.encode(),
            digest,
            str(ordinal).encode(),
        )

    def _row(
        self,
        error: IngestionError,
        *,
        native_id: str | None,
        sealed: bytes | None,
        fingerprint: bytes,
        file_name: str | None,
        sha256: str | None,
        row_number: int | None,
    ) -> tuple[Any, ...]:
        place = self._place
        return (
            place.load_id,
            place.load_id,
            place.source_code,
            place.region_code,
            place.entity,
            None if native_id is None else storable(native_id),
            error.code,
            storable(_reason(error, native_id, row_number)),
            storable(error.field) if isinstance(error, RecordError) and error.field else None,
            sealed,
            isinstance(error, UnreadableAnswer),
            fingerprint,
            file_name,
            sha256,
            row_number,
        )

    def flush(self) -> None:
        """Write what was collected."""
        if not self._rows:
            return
        with self._connection.cursor() as cursor:
            cursor.executemany(_INSERT, self._rows)
        self._rows.clear()
        self._bytes = 0


def open_entries(connection: psycopg.Connection, *, load_id: int | None = None) -> list[Entry]:
    """Open entries in the order of their arrival, all or those that a load brought or met."""
    cursor = connection.execute(
        """
        select q.quarantine_id, q.load_id, q.source_code, q.region_code, q.entity, q.error_code,
            q.is_whole_answer, q.file_name, q.row_number,
            not coalesce(l.found ? 'end', false) as is_end_told
        from ops.quarantine as q
        left join ops.loads as l on l.load_id = q.load_id
        where q.state = 'open'
            and (%(load_id)s::bigint is null or %(load_id)s in (q.load_id, q.last_load_id))
        order by q.quarantine_id
        """,
        {"load_id": load_id},
    )
    return [Entry(*row) for row in cursor]


@contextmanager
def content(connection: psycopg.Connection, vault: Vault, entry: Entry) -> Iterator[Path]:
    """The bytes of an entry, unsealed part by part into a file that no folder lists.

    cryptography.fernet.InvalidToken under another vault key.
    """
    query = (
        "select content_sealed from ops.quarantine_parts where quarantine_id = %s order by part"
        if entry.is_whole_answer
        else "select raw_sealed from ops.quarantine where quarantine_id = %s"
    )
    with nameless_file() as path:
        with path.open("wb") as file, connection.cursor() as cursor:
            for (sealed,) in cursor.stream(query, [entry.quarantine_id]):
                file.write(vault.unseal(sealed))
        yield path


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
        "update ops.quarantine set error_code = %s, field = %s, last_load_id = %s,"
        " reason = case when native_id is null then %s"
        " else 'Record ' || native_id || ': ' || %s end"
        " where quarantine_id = %s",
        [
            error.code,
            error.field if isinstance(error, RecordError) else None,
            load_id,
            _reason(error, None, entry.row_number),
            str(error),
            entry.quarantine_id,
        ],
    )
