"""Exports of the federal feedback platform (ПОС): messages, cards and history, XLSX or CSV.

The 25 columns of the message export are read by their names (DOMAIN.md 2.3). Over HTTP the export
is asked for a window of local dates, the last one excluded; dropped files are read as they are.
"""

from __future__ import annotations

from datetime import timedelta

from ingestion.clients.register import TableClient
from ingestion.errors import FetchError
from ingestion.source import Entity, Window


class PosClient(TableClient):
    """The export interface of one region."""

    def address(self, entity: Entity, window: Window | None) -> tuple[str, dict[str, str]]:
        """Dates are the region's; a window that ends within a day takes that day in."""
        if window is None:
            raise FetchError("window_required", f"{self._source.code}, region {self._region.code}")
        zone = self._region.zone
        start = window.start.astimezone(zone).date()
        last = (window.end.astimezone(zone) - timedelta(microseconds=1)).date()
        return self._region.endpoint, {
            "entity": entity.endpoint or entity.name,
            "from": start.isoformat(),
            "to": (last + timedelta(days=1)).isoformat(),
            "format": self._source.file_format,
        }
