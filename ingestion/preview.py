"""What a source would land: its first records, mapped and judged, written nowhere."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from ingestion.conversion import Converter
from ingestion.errors import IngestionError, UnreadableAnswer
from ingestion.ingest import client_of, readable
from ingestion.source import Source, Window
from ingestion.vault import Vault


@dataclass(slots=True)
class Preview:
    """The first records of one entity, as they would land, identities replaced.

    `refused` are reasons: of single records, or of the whole delivery. `not_read` are files of
    the folder that a load would name and leave aside.
    """

    entity: str
    delivery: str | None = None
    records: list[dict[str, Any]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    not_read: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    found: dict[str, str] = field(default_factory=dict)


def preview(
    source: Source,
    *,
    region: str,
    vault_key: str | bytes | Path,
    window: Window | None = None,
    files: Path | None = None,
    limit: int = 5,
) -> list[Preview]:
    """The first `limit` records of every entity of a region. Fetches no more pages than needed.

    Raises IngestionErrors of the declaration; what goes wrong with a delivery stands in `refused`.
    """
    source = readable(source, region, files)
    one = source.region(region)
    vault = Vault(vault_key)
    client = client_of(source, one)
    previews = []
    for entity in source.entities.values():
        seen = Preview(entity.name)
        previews.append(seen)
        converter = Converter(source, entity, one, vault, datetime.now(UTC))
        try:
            for delivery in client.deliveries(entity, window):
                if delivery.refusal is not None:
                    seen.not_read.append(str(delivery.refusal))
                    continue
                seen.delivery = delivery.name
                for page in delivery.pages:
                    seen.found.update(page.found)
                    seen.unknown = list(dict.fromkeys((*seen.unknown, *page.unknown_columns)))
                    wanted = limit - len(seen.records) - len(seen.refused)
                    for item in islice(page.records(), wanted):
                        converter.look(item, seen.records, seen.refused, seen.unknown)
                    if len(seen.records) + len(seen.refused) >= limit:
                        break
                break
        except UnreadableAnswer as error:
            error.content.close()
            seen.refused.append(str(error))
        except IngestionError as error:
            seen.refused.append(str(error))
    return previews
