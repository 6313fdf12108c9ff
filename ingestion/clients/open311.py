"""Open311 GeoReport v2 in JSON: services and requests, over HTTP or as a folder of polls.

The standard lets a server cut an answer at 90 days or 1,000 requests, so a window is split; a
server without paging that fills an answer to the brim is asked again for half of the time.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from ingestion.clients.base import Delivery, Item, Page, files_of
from ingestion.clients.register import local_path, observed_time, transport_of
from ingestion.clients.transport import Transport, without_secrets
from ingestion.errors import FetchError, RecordError, UnreadableAnswer
from ingestion.mapping import canonical_json
from ingestion.source import Entity, Region, Source, Window

_WRAPPERS = ("service_requests", "requests", "services")
_SHORTEST = timedelta(minutes=1)


def parse_json(content: bytes, name: str) -> Any:
    """JSON from bytes; UnreadableAnswer that tells what the answer looks like instead."""
    try:
        return json.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise UnreadableAnswer(
            "encoding_mismatch",
            f"{name}: byte {error.start} is not UTF-8",
            content=content,
            name=name,
        ) from None
    except (ValueError, RecursionError) as error:
        start = content.lstrip()[:15].lower()
        looks = "an HTML page" if start.startswith((b"<!doctype", b"<html")) else "broken JSON"
        detail = f"{name} is {looks}" + (
            f" ({error.msg} at {error.pos})" if isinstance(error, json.JSONDecodeError) else ""
        )
        raise UnreadableAnswer("not_json", detail, content=content, name=name) from None


def listed(document: Any, content: bytes, name: str) -> list[Any]:
    """The items of a listing, bare or wrapped in one of the known names."""
    if isinstance(document, dict):
        for wrapper in _WRAPPERS:
            if isinstance(document.get(wrapper), list):
                return list(document[wrapper])
    if isinstance(document, list):
        return document
    raise UnreadableAnswer(
        "unexpected_answer",
        f"{name}: expected a list or an object with one of {', '.join(_WRAPPERS)}",
        content=content,
        name=name,
    )


def items_of(records: list[Any]) -> list[Item]:
    """Records as items; what is no object is marked and kept."""
    items = []
    for number, record in enumerate(records, start=1):
        if isinstance(record, dict):
            items.append(Item(record, row_number=number))
        else:
            items.append(
                Item(
                    {},
                    row_number=number,
                    error=RecordError("not_an_object", f"Item {number}"),
                    raw=canonical_json(record),
                )
            )
    return items


class Open311Client:
    """The endpoint of one region."""

    def __init__(self, source: Source, region: Region, transport: Transport | None = None) -> None:
        self._source = source
        self._region = region
        self._transport = transport or transport_of(source)

    @property
    def calls(self) -> int:
        """HTTP calls so far, refused and repeated ones included."""
        return self._transport.calls

    def deliveries(self, entity: Entity, window: Window | None) -> Iterator[Delivery]:
        if not self._region.is_remote:
            for path in files_of(self._source, self._region, entity, default="*.json"):
                yield self._poll(path)
            return
        url = f"{self._region.endpoint}/{entity.endpoint or entity.name + '.json'}"
        if entity.role == "service":
            yield Delivery(name=without_secrets(url), pages=self._one_answer(url))
            return
        if window is None:
            raise FetchError("window_required", f"{self._source.code}, region {self._region.code}")
        name = without_secrets(
            url, {"start_date": window.start.isoformat(), "end_date": window.end.isoformat()}
        )
        yield Delivery(name=name, pages=self._windows(url, window))

    def _poll(self, path: Path) -> Delivery:
        file = local_path(path, self._source)

        def pages() -> Iterator[Page]:
            content = path.read_bytes()
            items = items_of(listed(parse_json(content, path.name), content, path.name))
            yield Page(items, sha256=file.sha256, bytes_read=file.size)

        return Delivery(
            name=file.name,
            pages=pages(),
            observed_at=observed_time(file.name, self._source.file_time, self._region),
            sha256=file.sha256,
        )

    def _ask(self, url: str, parameters: dict[str, str]) -> Page:
        with self._transport.fetch(url, parameters) as answer:
            content = answer.read()
            items = items_of(listed(parse_json(content, answer.address), content, answer.address))
            return Page(items, sha256=answer.sha256, bytes_read=answer.size)

    def _one_answer(self, url: str) -> Iterator[Page]:
        yield self._ask(url, {})

    def _windows(self, url: str, window: Window) -> Iterator[Page]:
        start = window.start
        while start < window.end:
            end = min(start + timedelta(days=self._source.max_window_days), window.end)
            yield from self._window(url, start, end)
            start = end

    def _window(self, url: str, start: datetime, end: datetime) -> Iterator[Page]:
        bounds = {"start_date": start.isoformat(), "end_date": end.isoformat()}
        if self._source.paging == "page":
            size = min(self._source.page_size, self._source.max_rows)
            number = 1
            while True:
                page = self._ask(url, {**bounds, "page": str(number), "page_size": str(size)})
                yield page
                if len(page.items) < size:
                    return
                number += 1
        page = self._ask(url, bounds)
        if len(page.items) < self._source.max_rows or end - start <= _SHORTEST:
            yield page
            return
        # The answer may have been cut: what it held comes again in the two halves.
        middle = start + (end - start) / 2
        yield from self._window(url, start, middle)
        yield from self._window(url, middle, end)

    def reread(self, entity: Entity, content: bytes, name: str) -> Iterator[Page]:
        yield Page(items_of(listed(parse_json(content, name), content, name)))
