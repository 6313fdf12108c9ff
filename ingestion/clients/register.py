"""Declared registers: one CSV or XLSX per region over HTTP, or files in a folder."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from ingestion.clients.base import Delivery, LocalFile, Page, folder_of
from ingestion.clients.transport import Pace, Transport, without_secrets
from ingestion.errors import FetchError
from ingestion.formats.delivered import DeliveredFile
from ingestion.formats.files import read_file
from ingestion.source import Entity, FileTime, Region, Source, Window

if TYPE_CHECKING:
    from ingestion.clients.sftp import SftpFolder


def observed_time(name: str, rule: FileTime | None, region: Region) -> datetime | None:
    """When a delivery was observed, as its name tells; None when no rule is declared."""
    if rule is None:
        return None
    match = re.search(rule.pattern, name)
    if match is None:
        raise FetchError("file_time_unknown", f"{name} does not match {rule.pattern}")
    try:
        moment = datetime.strptime(match["time"], rule.format)
    except ValueError as error:
        raise FetchError("file_time_unknown", f"{name}: {error}") from None
    groups = match.groupdict()
    if groups.get("offset_hours") is None:
        return moment.replace(tzinfo=region.zone)
    offset = timedelta(
        hours=int(groups["offset_hours"]), minutes=int(groups.get("offset_minutes") or 0)
    )
    return moment.replace(tzinfo=timezone(offset if rule.offset_sign == "+" else -offset))


def local_path(path: Path, source: Source) -> LocalFile:
    """A file, measured; FetchError when it is larger than the source allows, or out of reach."""
    try:
        if path.stat().st_size > source.max_megabytes << 20:
            raise FetchError("answer_too_large", f"{path.name} exceeds {source.max_megabytes} MB")
        return LocalFile.measure(path)
    except OSError as error:
        raise FetchError("file_unreadable", f"{path.name}: {type(error).__name__}") from None


def transport_of(source: Source, *, bearer: bool = True) -> Transport:
    """The HTTP session of a source, with the limits that its YAML declares."""
    pace = None
    if source.calls_per_second is not None:
        token = source.token.get_secret_value() if source.token else source.code
        pace = Pace(source.calls_per_second, token)
    return Transport(
        timeout_seconds=source.timeout_seconds,
        attempts=source.attempts,
        max_bytes=source.max_megabytes << 20,
        token=source.token if bearer else None,
        pace=pace,
        origins=source.origins,
        ca_file=source.ca_file,
    )


class TableClient:
    """Reads tables of one region; subclasses say which address holds the window."""

    def __init__(self, source: Source, region: Region, transport: Transport | None = None) -> None:
        self._source = source
        self._region = region
        self._transport = transport or transport_of(source)
        self._folder: SftpFolder | None = None

    @property
    def calls(self) -> int:
        """Calls over the network so far, refused and repeated ones included."""
        return self._transport.calls + (self._folder.calls if self._folder else 0)

    def deliveries(self, entity: Entity, window: Window | None) -> Iterator[Delivery]:
        if self._region.is_remote:
            url, parameters = self.address(entity, window)
            yield Delivery(
                name=without_secrets(url, parameters),
                pages=self._remote_pages(entity, url, parameters),
            )
            return
        if self._region.is_sftp:
            from ingestion.clients.sftp import SftpFolder

            if self._folder is None:
                self._folder = SftpFolder(self._source, self._region)
            for name, file in self._folder.files(entity):
                yield self._delivered(entity, name, file)
            return
        paths, left_aside = folder_of(self._source, self._region, entity)
        yield from left_aside
        for path in paths:
            yield self._delivered(entity, path.name, path)

    def _delivered(
        self, entity: Entity, name: str, found: LocalFile | Path | FetchError
    ) -> Delivery:
        """A file of a folder; one that cannot be read does not keep the others from it."""
        try:
            if isinstance(found, FetchError):
                raise found
            file = local_path(found, self._source) if isinstance(found, Path) else found
            observed_at = observed_time(name, self._source.file_time, self._region)
        except FetchError as error:
            return Delivery.refused(name, error)
        return Delivery(
            name=name,
            pages=self._pages(entity, file),
            observed_at=observed_at,
            sha256=file.sha256,
        )

    def _pages(self, entity: Entity, file: LocalFile) -> Iterator[Page]:
        yield from self._read(entity, DeliveredFile(file.path, file.name, file.sha256, file.size))
        # What was a whole table when it was measured may have been its beginning.
        size = file.path.stat().st_size
        if size != file.size:
            raise FetchError("file_changing", f"{file.name}: {file.size} bytes, now {size}")

    def address(self, entity: Entity, window: Window | None) -> tuple[str, dict[str, str]]:
        """The address and parameters of an entity's export."""
        return self._region.endpoint + (entity.endpoint or ""), {}

    def _remote_pages(self, entity: Entity, url: str, parameters: dict[str, str]) -> Iterator[Page]:
        with self._transport.fetch(url, parameters) as answer:
            file = DeliveredFile(
                answer.path, answer.address, answer.sha256, answer.size, answer.is_end_told
            )
            yield from self._read(entity, file)

    def reread(self, entity: Entity, path: Path, name: str) -> Iterator[Page]:
        file = LocalFile.measure(path)
        yield from self._read(entity, DeliveredFile(path, name, file.sha256, file.size))

    def _read(self, entity: Entity, file: DeliveredFile) -> Iterator[Page]:
        return read_file(
            file.path,
            entity,
            name=file.name,
            sha256=file.sha256,
            size=file.size,
            is_end_told=file.is_end_told,
        )


class RegisterClient(TableClient):
    """A register that is always delivered whole."""

    def _read(self, entity: Entity, file: DeliveredFile) -> Iterator[Page]:
        pages = super()._read(entity, file)
        if entity.template is None:
            return pages
        # Only registers that people keep need the library that writes their workbooks.
        from ingestion.registers.returned import register_pages

        return register_pages(pages, file, self._source, self._region)
