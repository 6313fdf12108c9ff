"""The raw tables that the checks are made for, as the source declarations name them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SourceTable:
    """One entity of one source: where it lands and what it promises.

    `role` is the record's role (case, event, card, roster, checked_reply, population, service).
    `freshness_hours` is how old the last successful load may be; None: no promise.
    `regions` are the codes that the declaration lists; empty: any.
    """

    source_code: str
    entity: str
    role: str
    table: str
    regions: tuple[str, ...] = ()
    freshness_hours: float | None = None

    @property
    def relation(self) -> str:
        return f"raw.{self.table}"


def declared_sources() -> list[SourceTable]:
    """Every entity of every source under ingestion/sources, enabled or not."""
    return []
