"""Pages in, rows for COPY out: in this process, and for large deliveries in others beside it.

Mapping is the costly part of a load, and records are independent of each other: after the first
pages, worker processes take them over. The order of the pages is kept.
"""

from __future__ import annotations

import gc
import json
import multiprocessing
import os
import threading
from array import array
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import accumulate
from queue import Queue
from typing import Any

from ingestion.clients.base import Item, Page
from ingestion.copy_binary import (
    NULL,
    bigint,
    binary,
    field_count,
    integer,
    jsonb,
    length,
    timestamptz,
    with_field,
)
from ingestion.errors import ContractBroken, RecordError
from ingestion.mapping import Mapper, Row, record_key
from ingestion.source import Entity, Region, Source
from ingestion.vault import Vault

# A worker takes half a second to start: a load that is over sooner does without.
_ALONE_ROWS = 12_000
_ALONE_BYTES = 12 << 20
# Pseudonyms that were told already; bounds the memory, not the result.
_REMEMBERED_PSEUDONYMS = 65_536
_MOST_WORKERS = 4
_NICER = 10
_OBJECTS_BEFORE_COLLECTION = 50_000
# Pages that wait, for each worker and at least: bounds the memory.
_AHEAD = 5
_LEAST_AHEAD = 10


@dataclass(slots=True)
class Refused:
    """A record that cannot land, as it is kept."""

    error: RecordError
    content: bytes
    lasting: bytes | None
    native_id: str | None
    row_number: int | None


@dataclass(slots=True)
class Converted:
    """What became of a page.

    `rows` are rows for COPY, in the order of `COLUMNS` (with `known_load_id` on replay), `ends`
    where each of them ends, `keys` the same rows in the order of `KEY_COLUMNS`. `identities` tells
    of pseudonyms that were not told before the kind and the value. `present` are the
    keys of refused records; `is_whole` is False when one of them has no key. `broken` ends the
    load: the last of `refused` is the record that breaks a frozen contract.
    """

    page: Page
    read: int = 0
    landed: int = 0
    rows: bytes = b""
    ends: array[int] = field(default_factory=lambda: array("Q"))
    keys: bytes = b""
    identities: dict[str, tuple[str, str]] = field(default_factory=dict)
    refused: list[Refused] = field(default_factory=list)
    present: list[str] = field(default_factory=list)
    is_whole: bool = True
    unknown: tuple[str, ...] = ()
    broken: ContractBroken | None = None


COLUMNS = (
    "record_key, native_id, payload, record, payload_hash, source_changed_at, file_sha256,"
    " row_number, source_code, region_code, observed_at, load_id"
)
KEY_COLUMNS = "record_key, payload_hash, source_changed_at, file_sha256, row_number"
_OF_ROW = field_count(len(COLUMNS.split(",")))
_OF_KEYS = field_count(len(KEY_COLUMNS.split(",")))
# Where the key stands in a row that has one.
KEY = slice(len(_OF_ROW) + 4, len(_OF_ROW) + 20)


class Converter:
    """Converts the items of one entity and region.

    `told_at` is when the delivery was made, if that is known. Rows that land need `load_id`, that
    of their load, and on replay `known_load_id`, that of the load which refused them.
    """

    def __init__(
        self,
        source: Source,
        entity: Entity,
        region: Region,
        vault: Vault,
        observed_at: datetime,
        told_at: datetime | None = None,
        load_id: int | None = None,
        known_load_id: int | None = None,
    ) -> None:
        self._made_of = (
            *(source, entity, region, vault, observed_at, told_at, load_id, known_load_id),
        )
        self._names = (source.code, region.code, entity.name)
        self._told: set[str] = set()
        self._mapper = Mapper(source, entity, region, vault, told_at)
        self._observed_at = observed_at
        self._constants = (
            binary(source.code.encode())
            + binary(region.code.encode())
            + timestamptz(observed_at)
            + (NULL if load_id is None else bigint(load_id))
        )
        self._known_load = None if known_load_id is None else bigint(known_load_id)

    def __reduce__(self) -> tuple[object, ...]:
        return Converter, self._made_of

    def row(self, item: Item) -> Row:
        """One row. Raises RecordError."""
        if item.error is not None:
            raise item.error
        return self._mapper.land(item.fields, item.derived, self._observed_at)

    def _binary(self, row: Row, row_number: int | None, sha256: bytes) -> tuple[bytes, bytes]:
        """A row as COPY takes it, and its keys alone."""
        key = binary(row.key)
        native_id = row.native_id.encode()
        rest = binary(row.content_hash) + timestamptz(row.changed_at) + sha256 + integer(row_number)
        whole = b"".join(
            (
                *(_OF_ROW, key, length(len(native_id)), native_id),
                *(jsonb(row.payload), jsonb(row.record), rest, self._constants),
            )
        )
        if self._known_load is not None:
            whole = with_field(whole, self._known_load)
        return whole, _OF_KEYS + key + rest

    def page(self, page: Page) -> Converted:
        """Every item of a page: a row, or refused with its reason."""
        # What goes back to the loader is the page without what it held.
        result = Converted(page.emptied())
        sha256 = binary(None if page.sha256 is None else page.sha256.encode())
        rows = []
        keys = []
        for item in page.records():
            result.read += 1
            try:
                row = self.row(item)
            except RecordError as error:
                self._refuse(item, error, result)
                continue
            except ContractBroken as error:
                self._refuse(item, error.cause, result)
                result.broken = error
                break
            whole, key = self._binary(row, item.row_number, sha256)
            rows.append(whole)
            keys.append(key)
            if row.identities:
                self._tell(row.identities, result)
        if self._mapper.unknown:
            result.unknown = tuple(self._mapper.unknown)
            self._mapper.unknown.clear()
        self._write(rows, keys, result)
        return result

    def again(self, item: Item, row_number: int | None, known_load_id: int) -> Converted:
        """A single record of the quarantine entry of a load. Raises RecordError."""
        row = self.row(item)
        result = Converted(Page([]), read=1)
        whole, key = self._binary(row, row_number, NULL)
        self._write([with_field(whole, bigint(known_load_id))], [key], result)
        self._tell(row.identities, result)
        return result

    @staticmethod
    def _write(rows: list[bytes], keys: list[bytes], result: Converted) -> None:
        result.landed = len(rows)
        result.rows = b"".join(rows)
        result.ends = array("Q", accumulate(map(len, rows)))
        result.keys = b"".join(keys)

    def _tell(self, identities: dict[str, tuple[str, str]], result: Converted) -> None:
        new = identities.keys() - self._told
        if not new:
            return
        if len(self._told) >= _REMEMBERED_PSEUDONYMS:
            self._told.clear()
        self._told |= new
        result.identities.update((one, identities[one]) for one in new)

    def look(
        self, item: Item, records: list[dict[str, Any]], refused: list[str], unknown: list[str]
    ) -> None:
        """One item for a preview: its canonical record, or the reason why there is none."""
        try:
            row = self.row(item)
        except RecordError as error:
            number = "" if item.row_number is None else f"Row {item.row_number}: "
            refused.append(f"{number}{error}")
        else:
            records.append({"native_id": row.native_id, **json.loads(row.record)})
        unknown += [name for name in self._mapper.unknown if name not in unknown]

    def _refuse(self, item: Item, error: RecordError, result: Converted) -> None:
        native_id = self._mapper.native_id_of(item.fields, item.derived)
        if native_id is None:
            # Which record this is nobody knows, so nobody knows which have vanished.
            result.is_whole = False
        else:
            source, region, entity = self._names
            result.present.append(record_key(source, region, entity, native_id))
        lasting = self._mapper.lasting(item.fields) if item.fields else None
        result.refused.append(Refused(error, item.packed(), lasting, native_id, item.row_number))


_converter: Converter | None = None


def _set_up(converter: Converter) -> None:
    global _converter
    _converter = converter
    _collect_seldom()
    # Writing what is ready comes before converting what will be written later.
    os.nice(_NICER)
    threading.Thread(target=_end_with_the_load, daemon=True).start()


def _collect_seldom() -> None:
    """What is loaded by now stays, and records make no rings: looking for some costs time."""
    gc.freeze()
    gc.set_threshold(_OBJECTS_BEFORE_COLLECTION)


@contextmanager
def _collecting_seldom() -> Iterator[None]:
    threshold = gc.get_threshold()
    _collect_seldom()
    try:
        yield
    finally:
        gc.set_threshold(*threshold)
        gc.unfreeze()


def _end_with_the_load() -> None:
    """A load that is killed cannot end its workers, and they hold the vault key."""
    load = multiprocessing.parent_process()
    if load is not None:
        load.join()
        os._exit(1)


def _convert(page: Page) -> Converted:
    if _converter is None:
        raise RuntimeError("the worker was not set up")
    return _converter.page(page)


def _is_ready() -> bool:
    return _converter is not None


def convert(pages: Iterator[Page], converter: Converter) -> Iterator[Converted]:
    """Every page converted, in order. What `pages` raises comes after all pages before it."""
    rows = size = 0
    is_busy = False
    for page in pages:
        result = converter.page(page)
        rows += result.read
        size += page.bytes_read
        yield result
        if rows >= _ALONE_ROWS or size >= _ALONE_BYTES:
            # The reader goes on meanwhile, and takes a core where that is costly.
            is_busy = page.block is not None and page.block.is_costly
            break
    else:
        return
    yield from _beside(pages, converter, (os.cpu_count() or 1) - is_busy)


def _beside(pages: Iterator[Page], converter: Converter, cores: int) -> Iterator[Converted]:
    workers = max(1, min(_MOST_WORKERS, cores))
    with (
        _collecting_seldom(),
        ProcessPoolExecutor(
            workers,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_set_up,
            initargs=(converter,),
        ) as pool,
    ):
        ready = pool.submit(_is_ready)
        # Until the first worker has started, this process goes on alone.
        while not ready.done():
            page = next(pages, None)
            if page is None:
                return
            yield converter.page(page)
        converted = _Ahead(pages, pool, max(_LEAST_AHEAD, workers * _AHEAD))
        try:
            yield from converted
        finally:
            converted.close()


class _Ahead:
    """Reads pages and gives them to the workers, while whoever takes the results writes them."""

    def __init__(self, pages: Iterator[Page], pool: ProcessPoolExecutor, most: int) -> None:
        self._pages = pages
        self._pool = pool
        self._waiting: Queue[Future[Converted] | None] = Queue(most)
        self._failure: Exception | None = None
        self._is_over = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        try:
            for page in self._pages:
                if self._is_over:
                    return
                self._waiting.put(self._pool.submit(_convert, page))
        except Exception as error:
            self._failure = error
        finally:
            self._waiting.put(None)

    def __iter__(self) -> Iterator[Converted]:
        """In the order of the pages; what reading them raised comes after all before it."""
        while (future := self._waiting.get()) is not None:
            yield future.result()
        self._is_over = True
        if self._failure is not None:
            raise self._failure

    def close(self) -> None:
        """Stop reading; what waits is let go."""
        if not self._is_over:
            self._is_over = True
            while (future := self._waiting.get()) is not None:
                future.cancel()
        self._reader.join()
