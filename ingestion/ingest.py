"""One source, one window: fetch, map, land, account. The entry that DAGs and `tsur ingest` call."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from pkgutil import resolve_name

import psycopg

from ingestion.clients.base import Client
from ingestion.errors import FetchError, IngestionError
from ingestion.ledger import LoadCounts
from ingestion.load import ProgressCallback, Work
from ingestion.loader import prepare_sources
from ingestion.source import Region, Source, Window
from ingestion.vault import Vault

__all__ = ["IngestionFailed", "LoadCounts", "Window", "client_of", "ingest", "prepare_sources"]

# By name: a load needs one of them, and their parsers take longer to import than it to run.
CLIENTS: Mapping[str, str] = {
    "pos": "ingestion.clients.pos:PosClient",
    "open311": "ingestion.clients.open311:Open311Client",
    "register": "ingestion.clients.register:RegisterClient",
    "vk": "ingestion.clients.vk:VkClient",
    "telegram_export": "ingestion.clients.telegram:TelegramExportClient",
    "telegram_channel": "ingestion.clients.telegram:TelegramChannelClient",
    "odnoklassniki": "ingestion.clients.odnoklassniki:OdnoklassnikiClient",
    "feed": "ingestion.clients.feed:FeedClient",
}
# Read from their interface or pages only: a file that somebody brings holds none of them.
_INTERFACE_ONLY = frozenset({"vk", "telegram_channel", "odnoklassniki", "feed"})


def client_of(source: Source, region: Region) -> Client:
    """The client of a source's protocol for one region."""
    made: Client = resolve_name(CLIENTS[source.kind])(source, region)
    return made


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
    files: Path | None = None,
    progress: ProgressCallback | None = None,
) -> list[LoadCounts]:
    """Load every entity of a source for a window, of one region or of all.

    Each entity and region is a load; of a folder each file is. Loading a window twice equals
    loading it once. `database_url` is the loader's, `vault_key` the key or the path of its file.
    `files`, a file or a folder, is read in place of the region's endpoint: a delivery that came
    by hand. It needs `region`, but none of the variables that lead to the interface.
    `progress` is told what is loaded and how many rows were read, after every page.

    A file of a folder that belongs to no entity has an attempt of its own, which says so; it is
    no failure, except where nothing of what came by hand was read.

    Raises IngestionFailed after everything was tried, when a load failed; SourceDefinition- and
    other IngestionErrors at once, when nothing can be tried.
    """
    source = readable(source, region, files)
    regions = source.regions if region is None else (source.region(region),)
    vault = Vault(vault_key)
    loads: list[LoadCounts] = []
    with psycopg.connect(database_url, autocommit=True) as connection:
        for one in regions:
            client = client_of(source, one)
            for entity in source.entities.values():
                work = Work(connection, vault, source, entity, one, client, run_id, progress)
                with work.locked():
                    loads.extend(work.loads(window))
    asked = [load for load in loads if not load.is_left_aside]
    is_nothing_read = files is not None and not asked
    if is_nothing_read or any(load.outcome == "failed" for load in asked):
        raise IngestionFailed(loads)
    return loads


def readable(source: Source, region: str | None, files: Path | None) -> Source:
    """The source as it can be read: from its endpoints, or from what somebody brought.

    IngestionError when neither is there.
    """
    if files is not None:
        return delivered_by_hand(source, region, files)
    if not source.is_enabled:
        raise IngestionError(
            "source_not_enabled",
            f"{source.code} needs {', '.join(sorted(source.missing_variables))}",
        )
    return source


def delivered_by_hand(source: Source, region: str | None, files: Path) -> Source:
    """The source with one region, whose endpoint is a file or folder that somebody brought."""
    if region is None:
        raise IngestionError("region_required", f"Source {source.code}, {files}")
    one = source.region(region)
    if source.kind in _INTERFACE_ONLY:
        raise IngestionError("files_not_read", f"Source {source.code}")
    if not files.exists():
        raise FetchError("file_not_found", f"Expected for region {region}: {files}")
    local = one.model_copy(update={"endpoint": str(files.absolute())})
    # What somebody brings is complete: nothing of it is left to a next run.
    return source.model_copy(update={"regions": (local,), "settle_seconds": 0})
