"""Replay: what lies in quarantine is tried again, after a fix of the YAML or the contract."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psycopg

from ingestion import ledger
from ingestion.evidence import Entry, open_entries
from ingestion.ingest import client_of
from ingestion.ledger import LoadCounts
from ingestion.load import ProgressCallback, Work
from ingestion.source import SOURCES_FOLDER, Source, load_sources
from ingestion.vault import Vault

# What the run_id of every replay starts with.
REPLAY_RUN = "replay"
# Versions that lost against another one are evidence, not a backlog.
_NOT_REPLAYED = frozenset({"repeated_key", "older_than_known"})


@dataclass(frozen=True, slots=True)
class Skipped:
    """Open entries that nobody could try: what they belong to is not declared (any more)."""

    source_code: str
    entity: str
    region_code: str
    entries: int
    undeclared: Literal["source", "entity", "region"]


@dataclass(frozen=True, slots=True)
class Replay:
    """What a replay did, load by load, and what it could not try."""

    loads: tuple[LoadCounts, ...]
    skipped: tuple[Skipped, ...] = ()

    def as_dict(self) -> dict[str, int]:
        """The sums of the loads' counts, and how many loads and entries not tried there were."""
        total = {"loads": len(self.loads), "not_tried": sum(one.entries for one in self.skipped)}
        for load in self.loads:
            for name, count in load.as_dict().items():
                total[name] = total.get(name, 0) + count
        return total


def replay(
    sources: Iterable[Source] | None = None,
    *,
    database_url: str,
    vault_key: str | bytes | Path,
    load_id: int | None = None,
    run_id: str = REPLAY_RUN,
    progress: ProgressCallback | None = None,
) -> Replay:
    """Try open entries again, all or those of one load.

    What lands is marked as replayed; what still cannot land keeps its entry, with the reason of
    this attempt. A version that was loaded later stands. Whole files and answers are loads of
    their own, single records of an entity and region land together. `sources` default to the
    YAMLs of the package; they need not be enabled. Entries of what they do not declare are left
    alone and told (`skipped`). The loads' run_id always starts with `replay`: their counts are
    second looks at records that another load has counted.

    Raises IngestionError when the ledger does not know `load_id`.
    """
    given = load_sources(SOURCES_FOLDER, {}).values() if sources is None else sources
    known = {source.code: source for source in given}
    vault = Vault(vault_key)
    if not run_id.startswith(REPLAY_RUN):
        run_id = f"{REPLAY_RUN}-{run_id}"
    loads: list[LoadCounts] = []
    with psycopg.connect(database_url, autocommit=True) as connection:
        if load_id is not None:
            ledger.started_at(connection, load_id)
        groups: dict[tuple[str, str, str], list[Entry]] = {}
        skipped: Counter[tuple[str, str, str, Literal["source", "entity", "region"]]] = Counter()
        for entry in open_entries(connection, load_id=load_id):
            if entry.error_code in _NOT_REPLAYED:
                continue
            undeclared = _undeclared(known.get(entry.source_code), entry)
            if undeclared is not None:
                skipped[entry.source_code, entry.entity, entry.region_code, undeclared] += 1
                continue
            name = (entry.source_code, entry.region_code, entry.entity)
            groups.setdefault(name, []).append(entry)
        for (source_code, region_code, entity), entries in groups.items():
            source = known[source_code]
            region = source.region(region_code)
            client = client_of(source, region)
            work = Work(
                connection,
                vault,
                source,
                source.entities[entity],
                region,
                client,
                run_id,
                progress,
            )
            with work.locked():
                loads.extend(work.replay_whole(e) for e in entries if e.is_whole_answer)
                records = [entry for entry in entries if not entry.is_whole_answer]
                if records:
                    loads.append(work.replay_records(records))
    told = tuple(
        Skipped(source_code, entity, region_code, count, undeclared)
        for (source_code, entity, region_code, undeclared), count in sorted(skipped.items())
    )
    return Replay(tuple(loads), told)


def _undeclared(
    source: Source | None, entry: Entry
) -> Literal["source", "entity", "region"] | None:
    """What of the place of an entry is not declared; None when it can be tried."""
    if source is None:
        return "source"
    if entry.entity not in source.entities:
        return "entity"
    is_known = any(region.code == entry.region_code for region in source.regions)
    return None if is_known else "region"
