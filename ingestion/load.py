"""One load: a delivery in, rows and entries out, in one transaction with its ledger entry."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, time
from time import monotonic

import psycopg

from ingestion import evidence, ledger
from ingestion.clients.base import Client, Delivery, Item
from ingestion.clients.register import observed_time
from ingestion.conversion import Converted, Converter, convert
from ingestion.errors import (
    FetchError,
    IngestionError,
    RecordError,
    UnreadableAnswer,
    storable,
)
from ingestion.evidence import Entry, Place
from ingestion.formats.delivered import END_NOT_TOLD
from ingestion.ledger import LoadCounts
from ingestion.loader import Landing
from ingestion.source import Entity, Region, Source, Window
from ingestion.vault import Vault

# Below this many rows a share says nothing.
_FEWEST_FOR_SHARE = 20

# What is being loaded (source, entity, region, file) and how many rows were read so far.
ProgressCallback = Callable[[str, int], None]


class Work:
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
        self.connection = connection
        self.vault = vault
        self.source = source
        self.entity = entity
        self.region = region
        self.client = client
        # Calls that belong to earlier loads; what leads to a delivery belongs to its own.
        self.calls_before = client.calls
        self._run_id = run_id
        self._progress = progress

    @property
    def names(self) -> tuple[str, str, str]:
        return self.source.code, self.entity.name, self.region.code

    @property
    def exported_at(self) -> datetime | None:
        """The end of the day on which a source of saved exports says that they were made."""
        day = self.source.exported_on
        return None if day is None else datetime.combine(day, time.max, self.region.zone)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Two runs of the same entity and region follow each other."""
        ledger.lock(self.connection, *self.names)
        try:
            yield
        finally:
            if not self.connection.closed:
                ledger.unlock(self.connection, *self.names)

    def loads(self, window: Window | None) -> Iterator[LoadCounts]:
        deliveries = self.client.deliveries(self.entity, window)
        while True:
            self.calls_before = self.client.calls
            try:
                delivery = next(deliveries, None)
            except FetchError as error:
                yield self._attempt_without_pages(error, window)
                return
            if delivery is None:
                return
            if delivery.refusal is not None:
                yield self._attempt_without_pages(delivery.refusal, window, delivery.name)
            else:
                yield self._load(delivery, window)

    def _start(
        self, name: str | None, sha256: str | None, window: Window | None
    ) -> tuple[LoadCounts, datetime]:
        # A name of a file may be any bytes.
        name = None if name is None else storable(name)
        load_id, started_at = ledger.start(
            self.connection,
            run_id=self._run_id,
            source_code=self.source.code,
            entity=self.entity.name,
            region_code=self.region.code,
            window=window,
            file_name=name,
            file_sha256=sha256,
        )
        return LoadCounts(load_id, *self.names, file_name=name), started_at

    def _attempt_without_pages(
        self, error: FetchError, window: Window | None, name: str | None = None
    ) -> LoadCounts:
        counts, _ = self._start(name, None, window)
        calls = self.client.calls - self.calls_before
        counts = replace(counts, calls=calls).failed(error)
        ledger.finish(self.connection, counts)
        return counts

    def _load(self, delivery: Delivery, window: Window | None) -> LoadCounts:
        begun = monotonic()
        counts, started_at = self._start(delivery.name, delivery.sha256, window)
        transfer = Transfer(self, counts, delivery.observed_at or started_at, delivery.observed_at)
        counts = self._finished(transfer, counts, lambda: transfer.run(delivery, window))
        return replace(counts, seconds=monotonic() - begun)

    def _finished(
        self, transfer: Transfer, counts: LoadCounts, take: Callable[[], LoadCounts]
    ) -> LoadCounts:
        """The inside of a load in its transaction, or what stopped it, told in the ledger."""
        try:
            with self.connection.transaction():
                return take()
        except Exception as error:
            # Nothing of the load was committed: only the attempt is told, and what stopped it.
            counts = replace(counts, bytes_read=transfer.bytes_read, calls=transfer.calls)
            with self.connection.transaction():
                kept = transfer.keep_offending()
                counts = replace(counts, rows_read=kept, rows_quarantined=kept).failed(error)
                ledger.finish(self.connection, counts)
            if not isinstance(error, IngestionError):
                raise
            return counts

    def replay_whole(self, entry: Entry) -> LoadCounts:
        """Read a whole file or answer again."""
        name = entry.file_name or "answer"
        told = None
        if self.source.file_time is not None:
            told = observed_time(name, self.source.file_time, self.region)
        counts, _ = self._start(entry.file_name, None, None)
        observed_at = told or ledger.started_at(self.connection, entry.load_id)
        transfer = Transfer(self, counts, observed_at, told, replayed=entry)
        with evidence.content(self.connection, self.vault, entry) as path:
            pages = self.client.reread(self.entity, path, name)

            def take() -> LoadCounts:
                done = transfer.run(Delivery(name, pages, observed_at=told), None)
                if not transfer.unreadable:
                    evidence.resolve(self.connection, [entry.quarantine_id], done.load_id)
                return done

            return self._finished(transfer, counts, take)

    def replay_records(self, entries: list[Entry]) -> LoadCounts:
        """Try single records again, as one load."""
        counts, started_at = self._start("replay", None, None)
        transfer = Transfer(self, counts, started_at, None)

        def take() -> LoadCounts:
            done = transfer.run_entries(entries)
            evidence.resolve(self.connection, transfer.resolved, done.load_id)
            return done

        return self._finished(transfer, counts, take)

    def told(self, counts: LoadCounts, rows_read: int) -> None:
        if self._progress is not None:
            self._progress(" ".join((*self.names, counts.file_name or "")).strip(), rows_read)


class Transfer:
    """The inside of one load's transaction: items in, rows or quarantine entries out."""

    def __init__(
        self,
        work: Work,
        counts: LoadCounts,
        observed_at: datetime,
        told_at: datetime | None,
        replayed: Entry | None = None,
    ) -> None:
        self._work = work
        self._told_at = told_at or work.exported_at
        self._replayed = replayed
        self._counts = counts
        self._observed_at = observed_at
        self._rows_read = 0
        self._unknown: dict[str, None] = {}
        self._is_listing_whole = replayed is None or replayed.is_end_told
        self._found: dict[str, str] = {} if self._is_listing_whole else dict(END_NOT_TOLD)
        self._offending: Converted | None = None
        self.bytes_read = 0
        self._calls_before = work.calls_before
        self.unreadable = False
        self.resolved: list[int] = []

    @property
    def calls(self) -> int:
        """HTTP calls of this load."""
        return self._work.client.calls - self._calls_before

    def _open(self, delivery: Delivery | None, *, is_replay: bool) -> None:
        work = self._work
        self._known_until = ledger.watermark(work.connection, *work.names)
        self._is_stale = (
            delivery is not None
            and delivery.observed_at is not None
            and self._known_until is not None
            and delivery.observed_at < self._known_until
        )
        self._converter = Converter(
            work.source,
            work.entity,
            work.region,
            work.vault,
            self._observed_at,
            self._told_at,
            self._counts.load_id,
            self._replayed.load_id if self._replayed else None,
        )
        self._quarantine = self._writer()
        self._landing = Landing(
            work.connection,
            self._quarantine,
            work.vault,
            table=work.entity.table,
            is_by_content=work.entity.key == "content",
            holds=work.entity.holds,
            source_code=work.source.code,
            region_code=work.region.code,
            entity=work.entity.name,
            load_id=self._counts.load_id,
            observed_at=self._observed_at,
            is_stale=self._is_stale,
            is_replay=is_replay,
        )

    def _writer(self) -> evidence.Writer:
        work = self._work
        place = Place(
            self._counts.load_id,
            work.source.code,
            work.region.code,
            work.entity.name,
            self._counts.file_name,
        )
        return evidence.Writer(work.connection, work.vault, place)

    def keep_offending(self) -> int:
        """Keep the record that broke a frozen contract, outside of the load that it stopped.

        Returns how many records that are: one or none. On replay its whole file is kept already.
        """
        if self._offending is None or self._replayed is not None:
            return 0
        quarantine = self._writer()
        refused = self._offending.refused[-1]
        quarantine.add(
            refused.error,
            refused.content,
            lasting=refused.lasting,
            native_id=refused.native_id,
            row_number=refused.row_number,
            sha256=self._offending.page.sha256,
        )
        quarantine.flush()
        return quarantine.count

    def run(self, delivery: Delivery, window: Window | None) -> LoadCounts:
        """Take the delivery in. An error in mid-delivery ends it: what was read stays."""
        self._open(delivery, is_replay=self._replayed is not None)
        failure: IngestionError | None = None
        try:
            for converted in convert(delivery.pages, self._converter):
                self._take(converted)
                self._work.told(self._counts, self._rows_read)
        except UnreadableAnswer as error:
            # The whole answer is one row read and one row quarantined.
            self._rows_read += 1
            self._quarantine.add_whole(error)
            if not error.is_end_told:
                self._found.update(END_NOT_TOLD)
            self.unreadable = True
            failure = error
        except FetchError as error:
            failure = error
        return self._close(delivery, window, failure)

    def run_entries(self, entries: list[Entry]) -> LoadCounts:
        """Land what can land now; the rest keeps its entry, with the reason of this attempt."""
        self._open(None, is_replay=True)
        work = self._work
        refused = 0
        for entry in entries:
            self._rows_read += 1
            try:
                item = self._reread(entry)
                converted = self._converter.again(item, entry.row_number, entry.load_id)
            except IngestionError as error:
                refused += 1
                evidence.refresh(work.connection, entry, error, self._counts.load_id)
                continue
            self._landing.add(converted)
            self.resolved.append(entry.quarantine_id)
        merged = self._landing.merge(vanish=None)
        self._counts = replace(
            self._counts,
            outcome="success",
            rows_read=self._rows_read,
            rows_landed=merged.landed,
            rows_unchanged=merged.unchanged,
            rows_quarantined=refused + self._quarantine.count,
        )
        ledger.finish(work.connection, self._counts)
        return self._counts

    def _reread(self, entry: Entry) -> Item:
        """The item of an entry: as it was packed, or from the source's own bytes."""
        work = self._work
        with evidence.content(work.connection, work.vault, entry) as path:
            item = Item.unpacked(path.read_bytes())
            if item is not None:
                return item
            try:
                for page in work.client.reread(work.entity, path, entry.file_name or "record"):
                    for one in page.records():
                        return one
            except UnreadableAnswer as error:
                error.content.close()
        # Its reason is that of the record still, not that of a file which it never was.
        raise RecordError(entry.error_code, "It can be read no better than before")

    def _take(self, converted: Converted) -> None:
        if converted.broken is not None:
            self._offending = converted
            raise converted.broken
        self._rows_read += converted.read
        self.bytes_read += converted.page.bytes_read
        self._unknown.update(dict.fromkeys((*converted.page.unknown_columns, *converted.unknown)))
        for name, value in converted.page.found.items():
            known = self._found.setdefault(name, value)
            if value not in known.split(", "):
                self._found[name] = f"{known}, {value}"
        self._is_listing_whole &= converted.is_whole and converted.page.is_end_told
        self._landing.add(converted)

    def _close(
        self,
        delivery: Delivery,
        window: Window | None,
        failure: IngestionError | None,
    ) -> LoadCounts:
        work = self._work
        vanish = None
        if failure is None and self._is_listing_whole and self._may_tell_absence():
            vanish = work.entity.listing
        merged = self._landing.merge(
            vanish=vanish,
            window=window,
            file_sha256=delivery.sha256,
            vanished_at=self._known_until if self._is_stale else None,
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
                    work.connection,
                    *work.names,
                    delivery.observed_at or (window.end if window else self._observed_at),
                    counts.load_id,
                )
        else:
            counts = counts.failed(failure)
        ledger.finish(
            work.connection, counts, unknown_columns=tuple(self._unknown), found=self._found
        )
        return counts

    def _may_tell_absence(self) -> bool:
        """True when a record that is not in the delivery has vanished at the source."""
        work = self._work
        if work.entity.listing == "open":
            return False
        if self._replayed is None:
            return True
        # An old listing says nothing once a newer one has been loaded; its window is not kept.
        return work.entity.listing == "complete" and not ledger.is_superseded(
            work.connection, *work.names, self._replayed.load_id
        )

    def _threshold(self, quarantined: int) -> IngestionError | None:
        allowed = self._work.source.max_quarantined_share
        if self._rows_read < _FEWEST_FOR_SHARE or quarantined <= allowed * self._rows_read:
            return None
        return IngestionError(
            "too_many_quarantined",
            f"{quarantined} of {self._rows_read} rows, allowed is a share of {allowed:g}",
        )
