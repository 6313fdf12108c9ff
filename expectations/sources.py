"""The raw tables that the checks are made for, as the source declarations name them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ingestion.source import SOURCES_FOLDER, Source, load_sources


@dataclass(frozen=True)
class SourceTable:
    """One raw table: which entities of which source land in it, and in which role.

    `role` is the role of its records (case, event, card, roster, checked_reply, population,
    service). `regions` are the codes that the declaration lists; empty: any.
    """

    source_code: str
    entities: tuple[str, ...]
    role: str
    table: str
    regions: tuple[str, ...] = ()

    @property
    def relation(self) -> str:
        return f"raw.{self.table}"


def source_tables(sources: Iterable[Source]) -> list[SourceTable]:
    """The raw tables of these sources. Entities of one source may share a table."""
    tables: dict[str, SourceTable] = {}
    for source in sources:
        for entity in source.entities.values():
            earlier = tables[entity.table].entities if entity.table in tables else ()
            tables[entity.table] = SourceTable(
                source_code=source.code,
                entities=(*earlier, entity.name),
                role=entity.role,
                table=entity.table,
                regions=tuple(region.code for region in source.regions),
            )
    return list(tables.values())


def declared_sources() -> list[SourceTable]:
    """The raw tables of every source under ingestion/sources, enabled or not."""
    return source_tables(load_sources(SOURCES_FOLDER, {}).values())
