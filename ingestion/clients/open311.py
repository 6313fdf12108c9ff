"""Open311 GeoReport v2 in the dialects met in the field, over HTTP or as a folder of answers.

The standard lets a server cut an answer at 90 days or 1,000 requests, so a window is split; a
server without paging that fills an answer to the brim is asked again for half of the time. What
else differs from server to server is declared (`ingestion.dialect`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ingestion.clients.base import PAGE_ITEMS, Delivery, Item, Page, files_of
from ingestion.clients.open311_discovery import Site, discover
from ingestion.clients.open311_json import item_of, parse_json, read_listing
from ingestion.clients.open311_xml import is_html, is_markup, read_records
from ingestion.clients.register import local_path, observed_time, transport_of
from ingestion.clients.transport import Transport, without_secrets
from ingestion.errors import FetchError, RecordError, UnreadableAnswer
from ingestion.formats.delivered import DeliveredFile
from ingestion.mapping import canonical_json
from ingestion.source import Entity, Region, Source, Window

__all__ = ["Open311Client", "parse_json"]

_SHORTEST = timedelta(minutes=1)
_SUFFIXES = (".json", ".xml")
# In the address of an entity: asked for once for every service that has a definition.
_SERVICE = "{service_code}"
# The name of no file: a region that names its files has no others.
_NO_FILE = "/"
# So many pages alike, one after the other, are no accident.
_REPEATED_PAGES = 3

Parameters = dict[str, str]


class Open311Client:
    """The endpoint of one region."""

    def __init__(self, source: Source, region: Region, transport: Transport | None = None) -> None:
        if region.files:
            entities = {
                name: entity.model_copy(update={"files": region.files.get(name, _NO_FILE)})
                for name, entity in source.entities.items()
            }
            source = source.model_copy(update={"entities": entities})
        self._source = source
        self._region = region
        self._dialect = source.dialect_of(region)
        self._transport = transport or transport_of(source)
        self._found: Site | None = None

    @property
    def calls(self) -> int:
        """HTTP calls so far, refused and repeated ones included."""
        return self._transport.calls

    @property
    def _site(self) -> Site:
        """The endpoint; the discovery document is asked once a run."""
        if self._found is None:
            if self._region.discovery is not None:
                self._found = discover(self._region.discovery, self._transport)
            else:
                self._found = Site(self._region.endpoint.rstrip("/"))
        return self._found

    def deliveries(self, entity: Entity, window: Window | None) -> Iterator[Delivery]:
        if not self._region.is_remote:
            yield from self._files(entity)
            return
        url = self._address(entity.endpoint or entity.name, entity)
        asked: Parameters = {}
        if _SERVICE in url:
            pages = self._definitions(url)
        elif entity.role == "service":
            pages = self._answer(url, {})
        elif self._dialect.window_parameters == "none":
            pages = self._everything(url, entity)
        elif window is None:
            raise FetchError("window_required", f"{self._source.code}, region {self._region.code}")
        else:
            asked = self._bounds(window.start, window.end)
            pages = self._windows(url, entity, window)
        yield Delivery(name=self._name(url, asked), pages=pages)

    def _name(self, url: str, asked: Parameters) -> str:
        """What the ledger calls the load: the address, and the state of the endpoint it names."""
        name = without_secrets(url, {**self._dialect.parameters, **asked})
        return f"{name}#changeset={self._site.changeset}" if self._site.changeset else name

    def _address(self, path: str, entity: Entity | None = None) -> str:
        """The address of a resource, in the format that is declared or that discovery offers."""
        answers = self._dialect.answers or self._site.answers
        suffix = next((one for one in _SUFFIXES if path.endswith(one)), "")
        is_named = entity is not None and entity.endpoint is not None
        if answers is not None and (suffix or not is_named):
            path = f"{path.removesuffix(suffix)}.{answers}"
        elif not is_named:
            path = f"{path}.json"
        return f"{self._site.endpoint}/{path}"

    # --- files -----------------------------------------------------------------------------------

    def _files(self, entity: Entity) -> Iterator[Delivery]:
        default = f"*.{self._dialect.answers or 'json'}"
        for path in files_of(self._source, self._region, entity, default=default):
            file = local_path(path, self._source)
            yield Delivery(
                name=file.name,
                pages=self._read(DeliveredFile(path, file.name, file.sha256, file.size)),
                observed_at=observed_time(file.name, self._source.file_time, self._region),
                sha256=file.sha256,
            )

    # --- answers ---------------------------------------------------------------------------------

    @contextmanager
    def _asked(self, url: str, parameters: Parameters) -> Iterator[DeliveredFile]:
        """One answer, as long as the block lasts."""
        with self._transport.fetch(url, {**self._dialect.parameters, **parameters}) as answer:
            yield DeliveredFile(answer.path, answer.address, answer.sha256, answer.size)

    def _answer(self, url: str, parameters: Parameters) -> Iterator[Page]:
        """One answer: a page, or several where it is long."""
        with self._asked(url, parameters) as answer:
            yield from self._read(answer)

    def _read(self, file: DeliveredFile) -> Iterator[Page]:
        page = Page([], sha256=file.sha256, bytes_read=file.size)
        with file.path.open("rb") as stream:
            head = stream.read(1 << 10)
            stream.seek(0)
            if is_html(head):
                wanted = "not_xml" if self._dialect.answers == "xml" else "not_json"
                raise file.refused(wanted, "it is an HTML page")
            if is_markup(head):
                found = read_records(stream, self._dialect.lists, file.refused)
                records: Iterator[Any] = chain.from_iterable(found)
            else:
                records = read_listing(stream, file.refused)
            try:
                for number, record in enumerate(records, start=1):
                    page.items.append(item_of(record, number))
                    if len(page.items) >= PAGE_ITEMS:
                        yield page
                        page = Page([], sha256=file.sha256)
            except UnreadableAnswer:
                # What came before the break can be told apart.
                yield page
                raise
        yield page

    # --- periods and pages -----------------------------------------------------------------------

    def _windows(self, url: str, entity: Entity, window: Window) -> Iterator[Page]:
        start, end = window.start, window.end
        if self._dialect.window_times == "local":
            # The hour that the clocks repeat is one hour to a server that knows no offset.
            zone = self._region.zone
            start, end = (t.astimezone(zone).replace(tzinfo=None) for t in (start, end))
            if end <= start:
                start, end = start - timedelta(hours=1), end + timedelta(hours=1)
        while start < end:
            until = min(start + timedelta(days=self._dialect.max_window_days), end)
            yield from self._window(url, entity, start, until)
            start = until

    def _bounds(self, start: datetime, end: datetime) -> Parameters:
        """The period as the server wants it named and written."""
        names = self._dialect.window_parameters
        if names == "none":
            return {}
        if self._dialect.window_times == "utc":
            times = [f"{t.astimezone(UTC).replace(tzinfo=None).isoformat()}Z" for t in (start, end)]
        else:
            times = [moment.isoformat() for moment in (start, end)]
        return dict(zip(names, times, strict=True))

    def _window(self, url: str, entity: Entity, start: datetime, end: datetime) -> Iterator[Page]:
        bounds = self._bounds(start, end)
        if self._dialect.paging != "none":
            yield from self._paged(url, entity, bounds)
            return
        is_cut, can_be_halved = False, end - start > _SHORTEST
        try:
            with self._asked(url, bounds) as answer:
                is_cut = self._is_full(answer)
                if not (is_cut and can_be_halved):
                    yield from self._read(answer)
        except FetchError as error:
            if not self._is_empty(error, entity):
                raise
        if is_cut and can_be_halved:
            # What it held comes again in the two halves.
            middle = start + (end - start) / 2
            yield from self._window(url, entity, start, middle)
            yield from self._window(url, entity, middle, end)
        elif is_cut:
            raise self._cut(url, bounds)

    def _is_full(self, answer: DeliveredFile) -> bool:
        """True when it holds as many records as the server gives at most.

        It is read for that alone: held until then, its records might not fit into the memory.
        """
        found = 0
        try:
            for page in self._read(answer):
                found += len(page.items)
                if found >= self._dialect.max_rows:
                    break
        except UnreadableAnswer as error:
            error.content.close()  # it is told when the records are read
        return found >= self._dialect.max_rows

    def _everything(self, url: str, entity: Entity) -> Iterator[Page]:
        """A listing that cannot be asked for by period."""
        if self._dialect.paging != "none":
            yield from self._paged(url, entity, {})
            return
        found = 0
        for page in self._whole(url, entity, {}):
            found += len(page.items)
            yield page
        # A feed of the newest (`listing: open`) is as long as its limit on every day.
        if found >= self._dialect.max_rows and entity.listing != "open":
            raise self._cut(url, {})

    def _cut(self, url: str, bounds: Parameters) -> FetchError:
        limit = self._dialect.max_rows
        return FetchError("answer_cut", f"{without_secrets(url, bounds)} gave {limit} or more")

    def _whole(self, url: str, entity: Entity, parameters: Parameters) -> Iterator[Page]:
        """An answer, or nothing where the server says "nothing found" by a status.

        With a listing that tells absence the status is an error all the same: an address that is
        gone must not look like a city in which every request has vanished.
        """
        try:
            yield from self._answer(url, parameters)
        except FetchError as error:
            if not self._is_empty(error, entity):
                raise

    def _is_empty(self, error: FetchError, entity: Entity) -> bool:
        is_told = error.status is not None and error.status == self._dialect.empty_status
        return is_told and entity.listing == "open"

    def _paged(self, url: str, entity: Entity, bounds: Parameters) -> Iterator[Page]:
        dialect = self._dialect
        place_name, size_name = dialect.page_names
        size = min(dialect.page_size, dialect.max_rows)
        place = dialect.first_page if dialect.paging == "page" else 0
        parameters = {**bounds, size_name: str(size)} if size_name else bounds
        this: str | None = None
        alike = read = 0
        while True:
            found, last = 0, this
            try:
                for page in self._whole(url, entity, {**parameters, place_name: str(place)}):
                    found += len(page.items)
                    this = page.sha256
                    yield page
            except FetchError as error:
                # After a page with something in it, the status can only mean the end.
                if not read or error.status is None or error.status != dialect.empty_status:
                    raise
            alike = alike + 1 if this == last else 1
            if found and alike >= _REPEATED_PAGES:
                raise FetchError("paging_ignored", without_secrets(url, bounds))
            if not found or (dialect.last_page == "short" and found < size):
                return
            read += found
            place += 1 if dialect.paging == "page" else found

    # --- service definitions ---------------------------------------------------------------------

    def _definitions(self, url: str) -> Iterator[Page]:
        """The definition of every service that has one (`metadata`: true)."""
        for listing in self._answer(self._address("services"), {}):
            for item in listing.items:
                code = item.fields.get("service_code")
                if code is None or str(item.fields.get("metadata")).casefold() != "true":
                    continue
                try:
                    yield from self._answer(url.replace(_SERVICE, quote(str(code), safe="")), {})
                except FetchError as error:
                    if error.status is None or error.status >= 500:
                        raise
                    # One service without its definition must not hide the others'.
                    refused = RecordError(error.code, f"service {code}: {error.detail}")
                    raw = canonical_json({"service_code": code})
                    yield Page([Item({}, error=refused, raw=raw)])

    def reread(self, entity: Entity, path: Path, name: str) -> Iterator[Page]:
        yield from self._read(DeliveredFile(path, name, None, 0))
