"""One source, one window: fetch, map, land, account. The entry that DAGs and `tsur ingest` call."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import psycopg

from ingestion import ledger
from ingestion.clients.base import Client, Delivery, Item, Page
from ingestion.clients.open311 import Open311Client
from ingestion.clients.pos import PosClient
from ingestion.clients.register import RegisterClient, observed_time
from ingestion.clients.vk import VkClient
from ingestion.errors import FetchError, IngestionError, RecordError, UnreadableAnswer
from ingestion.ledger import LoadCounts
from ingestion.loader import Landing, prepare_sources
from ingestion.mapping import Mapper, record_key
from ingestion.quarantine import (
    Entry,
    Place,
    Writer,
    open_entries,
    pack,
    refresh,
    resolve,
    unpack,
)
from ingestion.source import SOURCES_FOLDER, Entity, Region, Source, Window, load_sources
from ingestion.vault import Vault

__all__ = [
    "IngestionFailed",
    "LoadCounts",
    "LoadProgress",
    "Window",
    "ingest",
    "prepare_sources",
    "replay",
]

_CLIENTS: Mapping[str, Callable[[Source, Region], Client]] = {
    "pos": PosClient,
    "open311": Open311Client,
    "register": RegisterClient,
    "vk": VkClient,
}
# Below this many rows a share says nothing.
_FEWEST_FOR_SHARE = 20


@dataclass(frozen=True, slots=True)
class LoadProgress:
    """Where a running load stands; told after every page."""

    source_code: str
    entity: str
    region_code: str
    file_name: str | None
    rows_read: int


ProgressCallback = Callable[[LoadProgress], None]


class IngestionFailed(Exception):
    """At least one load failed; the others have landed. `loads` are all of the run."""

    def __init__(self, loads: list[LoadCounts]) -> None:
        self.loads = loads
        failed = [load for load in loads if load.outcome == "failed"]
        lines = [
            f"load {load.load_id} ({load.source_code}, {load.entity}, {load.region_code}):"
            f" {load.error_message}"
            for load in failed
        ]
        super().__init__(f"{len(failed)} of {len(loads)} loads failed\n" + "\n".join(lines))


def ingest(
    source: Source,
    *,
    database_url: str,
    vault_key: str | bytes | Path,
    region: str | None = None,
    window: Window | None = None,
    run_id: str,
    progress: ProgressCallback | None = None,
) -> list[LoadCounts]:
    """Load every entity of a source for a window, of one region or of all.

    Each entity and region is a load; of a folder each file is. Loading a window twice equals
    loading it once. `database_url` is the loader's, `vault_key` the key or the path of its file.

    Raises IngestionFailed after everything was tried, when a load failed; SourceDefinition- and
    other IngestionErrors at once, when nothing can be tried.
    """
    if not source.is_enabled:
        raise IngestionError(
            "source_not_enabled",
            f"{source.code} needs {', '.join(sorted(source.missing_variables))}",
        )
    regions = source.regions if region is None else (source.region(region),)
    vault = Vault(vault_key)
    loads: list[LoadCounts] = []
    with psycopg.connect(database_url, autocommit=True) as connection:
        for one in regions:
            client = _CLIENTS[source.kind](source, one)
            for entity in source.entities.values():
                work = _Work(connection, vault, source, entity, one, client, run_id, progress)
                with work.locked():
                    loads.extend(work.loads(window))
    if any(load.outcome == "failed" for load in loads):
        raise IngestionFailed(loads)
    return loads


class _Work:
    """One entity of one region in one run."""

    def __init__(
        self,
        connection: psycopg.Connection,
        vault: Vault,
        source: Source,
        entity: Entity,
        region: Region,
        client: Client,
        run_id: str,
        progress: ProgressCallback | None,
    ) -> None:
        self._connection = connection
        self._vault = vault
        self._source = source
        self._entity = entity
        self._region = region
        self._client = client
        self._run_id = run_id
        self._progress = progress

    @property
    def _names(self) -> tuple[str, str, str]:
        return self._source.code, self._entity.name, self._region.code

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Two runs of the same entity and region follow each other."""
        ledger.lock(self._connection, *self._names)
        try:
            yield
        finally:
            if not self._connection.closed:
                ledger.unlock(self._connection, *self._names)

    def loads(self, window: Window | None) -> Iterator[LoadCounts]:
        deliveries = self._client.deliveries(self._entity, window)
        while True:
            try:
                delivery = next(deliveries, None)
            except FetchError as error:
                yield self._attempt_without_delivery(error, window)
                return
            if delivery is None:
                return
            yield self._load(delivery, window)

    def _start(
        self, name: str | None, sha256: str | None, window: Window | None
    ) -> tuple[LoadCounts, datetime]:
        load_id, started_at = ledger.start(
            self._connection,
            run_id=self._run_id,
            source_code=self._source.code,
            entity=self._entity.name,
            region_code=self._region.code,
            window=window,
            file_name=name,
            file_sha256=sha256,
        )
        return LoadCounts(load_id, *self._names, file_name=name), started_at

    def _attempt_without_delivery(self, error: FetchError, window: Window | None) -> LoadCounts:
        counts, _ = self._start(None, None, window)
        counts = counts.failed(error)
        ledger.finish(self._connection, counts)
        return counts

    def _load(self, delivery: Delivery, window: Window | None) -> LoadCounts:
        begun = time.monotonic()
        counts, started_at = self._start(delivery.name, delivery.sha256, window)
        transfer = _Transfer(self, counts, delivery.observed_at or started_at)
        try:
            with self._connection.transaction():
                counts = transfer.run(delivery, window)
        except Exception as error:
            # Nothing of the load was committed: only the attempt is told.
            counts = replace(counts, bytes_read=transfer.bytes_read, calls=transfer.calls)
            counts = counts.failed(error)
            ledger.finish(self._connection, counts)
            if not isinstance(error, IngestionError):
                raise
        return replace(counts, seconds=time.monotonic() - begun)

    def replay_whole(self, entry: Entry) -> LoadCounts:
        """Read a whole file or answer again."""
        name = entry.file_name or "answer"
        told = None
        if self._source.file_time is not None:
            told = observed_time(name, self._source.file_time, self._region)
        counts, _ = self._start(entry.file_name, None, None)
        observed_at = told or ledger.started_at(self._connection, entry.load_id)
        transfer = _Transfer(self, counts, observed_at, replayed=entry)
        pages = self._client.reread(self._entity, entry.content, name)
        with self._connection.transaction():
            counts = transfer.run(Delivery(name, pages, observed_at=told), None)
            if not transfer.unreadable:
                resolve(self._connection, [entry.quarantine_id], counts.load_id)
        return counts

    def replay_records(self, entries: list[Entry]) -> LoadCounts:
        """Try single records again, as one load."""
        counts, started_at = self._start("replay", None, None)
        transfer = _Transfer(self, counts, started_at)
        with self._connection.transaction():
            counts = transfer.run_entries(entries)
            resolve(self._connection, transfer.resolved, counts.load_id)
        return counts

    def told(self, counts: LoadCounts, rows_read: int) -> None:
        if self._progress is not None:
            self._progress(LoadProgress(*self._names, counts.file_name, rows_read))


class _Transfer:
    """The inside of one load's transaction: items in, rows or quarantine entries out."""

    def __init__(
        self,
        work: _Work,
        counts: LoadCounts,
        observed_at: datetime,
        replayed: Entry | None = None,
    ) -> None:
        self._work = work
        self._replayed = replayed
        self._counts = counts
        self._observed_at = observed_at
        self._rows_read = 0
        self._unknown: dict[str, None] = {}
        self._present: list[uuid.UUID] = []
        self._is_listing_whole = True
        self.bytes_read = 0
        self.calls = 0
        self.unreadable = False
        self.resolved: list[int] = []

    def _open(self) -> None:
        work = self._work
        self._mapper = Mapper(work._source, work._entity, work._region, work._vault)
        place = Place(
            self._counts.load_id,
            work._source.code,
            work._region.code,
            work._entity.name,
            self._counts.file_name,
        )
        self._quarantine = Writer(work._connection, work._vault, place)
        self._landing = Landing(
            work._connection,
            work._vault,
            self._quarantine,
            table=work._entity.table,
            source_code=work._source.code,
            region_code=work._region.code,
            load_id=self._counts.load_id,
            observed_at=self._observed_at,
        )

    def run(self, delivery: Delivery, window: Window | None) -> LoadCounts:
        """Take the delivery in. An error in mid-delivery ends it: what was read stays."""
        self._open()
        failure: IngestionError | None = None
        try:
            for page in delivery.pages:
                self._take(page)
                self._work.told(self._counts, self._rows_read)
        except UnreadableAnswer as error:
            # The whole answer is one row read and one row quarantined.
            self._rows_read += 1
            self._quarantine.add(error, error.content)
            self.unreadable = True
            failure = error
        except FetchError as error:
            failure = error
        return self._close(delivery, window, failure)

    def run_entries(self, entries: list[Entry]) -> LoadCounts:
        """Land what can land now; the rest keeps its entry, with the reason of this attempt."""
        self._open()
        work = self._work
        refused = 0
        for entry in entries:
            self._rows_read += 1
            try:
                item = self._reread(entry)
                row = self._mapper.land(item.fields, item.derived, self._observed_at)
            except IngestionError as error:
                refused += 1
                refresh(work._connection, entry, error, self._counts.load_id)
                continue
            self._landing.add(
                row, row_number=entry.row_number, sha256=None, known_load_id=entry.load_id
            )
            self.resolved.append(entry.quarantine_id)
        merged = self._landing.merge(is_stale=False, vanish=None)
        self._counts = replace(
            self._counts,
            outcome="success",
            rows_read=self._rows_read,
            rows_landed=merged.landed,
            rows_unchanged=merged.unchanged,
            rows_quarantined=refused + self._quarantine.count,
        )
        ledger.finish(work._connection, self._counts)
        return self._counts

    def _reread(self, entry: Entry) -> Item:
        """The item of an entry: as it was packed, or from the source's own bytes."""
        item = unpack(entry.content)
        if item is None:
            work = self._work
            name = entry.file_name or "record"
            pages = work._client.reread(work._entity, entry.content, name)
            item = next(item for page in pages for item in page.items)
        if item.error is not None:
            raise item.error
        return item

    def _take(self, page: Page) -> None:
        self.bytes_read += page.bytes_read
        self.calls += page.calls
        self._unknown.update(dict.fromkeys(page.unknown_columns))
        for item in page.items:
            self._item(item, page.sha256)

    def _item(self, item: Item, sha256: str | None) -> None:
        """Land or quarantine one item."""
        self._rows_read += 1
        try:
            if item.error is not None:
                raise item.error
            row = self._mapper.land(item.fields, item.derived, self._observed_at)
        except RecordError as error:
            native_id = self._mapper.native_id_of(item.fields, item.derived)
            if native_id is None:
                # Which record this is nobody knows, so nobody knows which have vanished.
                self._is_listing_whole = False
            else:
                source, entity, region = self._work._names
                self._present.append(record_key(source, region, entity, native_id))
            self._quarantine.add(
                error,
                pack(item),
                native_id=native_id,
                row_number=item.row_number,
                sha256=sha256,
            )
            return
        self._landing.add(
            row,
            row_number=item.row_number,
            sha256=sha256,
            known_load_id=self._replayed.load_id if self._replayed else None,
        )

    def _close(
        self,
        delivery: Delivery,
        window: Window | None,
        failure: IngestionError | None,
    ) -> LoadCounts:
        work = self._work
        known_until = ledger.watermark(work._connection, *work._names)
        is_stale = (
            delivery.observed_at is not None
            and known_until is not None
            and delivery.observed_at < known_until
        )
        vanish = None
        if failure is None and self._is_listing_whole and self._may_tell_absence():
            vanish = work._entity.listing
        self._landing.present(self._present)
        merged = self._landing.merge(
            is_stale=is_stale,
            vanish=vanish,
            window=window,
            file_sha256=delivery.sha256,
            vanished_at=known_until if is_stale else None,
        )
        quarantined = self._quarantine.count
        if failure is None:
            failure = self._threshold(quarantined)
        counts = replace(
            self._counts,
            outcome="success",
            rows_read=self._rows_read,
            rows_landed=merged.landed,
            rows_unchanged=merged.unchanged,
            rows_quarantined=quarantined,
            rows_tombstoned=merged.tombstoned,
            bytes_read=self.bytes_read,
            calls=self.calls,
        )
        if failure is None:
            if self._replayed is None:
                ledger.advance(
                    work._connection,
                    *work._names,
                    delivery.observed_at or (window.end if window else self._observed_at),
                    counts.load_id,
                )
        else:
            counts = counts.failed(failure)
        ledger.finish(work._connection, counts, unknown_columns=tuple(self._unknown))
        return counts

    def _may_tell_absence(self) -> bool:
        """True when a record that is not in the delivery has vanished at the source."""
        work = self._work
        if work._entity.listing == "open":
            return False
        if self._replayed is None:
            return True
        # An old listing says nothing once a newer one has been loaded; its window is not kept.
        return work._entity.listing == "complete" and not ledger.is_superseded(
            work._connection, *work._names, self._replayed.load_id
        )

    def _threshold(self, quarantined: int) -> IngestionError | None:
        allowed = self._work._source.max_quarantined_share
        if self._rows_read < _FEWEST_FOR_SHARE or quarantined <= allowed * self._rows_read:
            return None
        return IngestionError(
            "too_many_quarantined",
            f"{quarantined} of {self._rows_read} rows, allowed is a share of {allowed:g}",
        )


def replay(
    database_url: str,
    vault_key: str | bytes | Path,
    *,
    load_id: int | None = None,
    sources: Mapping[str, Source] | None = None,
    run_id: str = "replay",
    progress: ProgressCallback | None = None,
) -> list[LoadCounts]:
    """Try what lies in quarantine again, after a fix of the YAML or the contract.

    All open entries, or those of one load. What lands is marked as replayed; what still cannot
    land keeps its entry, with the reason of this attempt. A version that came later stands.
    `sources` default to the YAMLs of the package.
    """
    known = sources if sources is not None else load_sources(SOURCES_FOLDER, {})
    vault = Vault(vault_key)
    loads: list[LoadCounts] = []
    with psycopg.connect(database_url, autocommit=True) as connection:
        groups: dict[tuple[str, str, str], list[Entry]] = {}
        for entry in open_entries(connection, vault, load_id=load_id):
            source = known.get(entry.source_code)
            # Versions that lost against another one are evidence, not a backlog.
            if source is None or entry.error_code in ("repeated_key", "older_than_known"):
                continue
            if entry.entity in source.entities:
                name = (entry.source_code, entry.region_code, entry.entity)
                groups.setdefault(name, []).append(entry)
        for (source_code, region_code, entity_name), entries in groups.items():
            source = known[source_code]
            region = source.region(region_code)
            work = _Work(
                connection,
                vault,
                source,
                source.entities[entity_name],
                region,
                _CLIENTS[source.kind](source, region),
                run_id,
                progress,
            )
            with work.locked():
                for entry in entries:
                    if entry.is_whole_answer:
                        loads.append(work.replay_whole(entry))
                records = [entry for entry in entries if not entry.is_whole_answer]
                if records:
                    loads.append(work.replay_records(records))
    return loads
