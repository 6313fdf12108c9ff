"""Registers of the sandbox as canonical records, made by the mapping that the loader uses."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ingestion.mapping import Mapper
from ingestion.sandbox import registers
from ingestion.sandbox.regions import REGIONS
from ingestion.sandbox.world import World
from ingestion.source import SOURCES_FOLDER, load_sources


@dataclass(frozen=True)
class RegisterRow:
    """One row of a register: whose it is, its number, its canonical fields."""

    table: str
    region_code: str
    native_id: str
    record: dict[str, Any]


class _Pseudonyms:
    """Stands in for the vault: the same person has the same key."""

    def pseudonym(self, kind: str, value: str) -> str:
        return f"p_{kind}_{value}"


def register_rows(world: World) -> list[RegisterRow]:
    """Every row of every register that the sandbox keeps, in all five regions."""
    sources = load_sources(SOURCES_FOLDER, {})
    found = []
    for table, (columns, rows) in registers.TABLES.items():
        source = sources[table]
        entity = source.entities["rows"]
        for code in REGIONS:
            mapper = Mapper(source, entity, source.region(code), _Pseudonyms())  # type: ignore[arg-type]
            for cells in rows(world, code):
                fields = dict(zip(columns, cells, strict=True))
                row = mapper.land(fields, {}, datetime.now().astimezone())
                record = json.loads(row.record)
                found.append(RegisterRow(table, code, record.pop("native_id"), record))
    return found
