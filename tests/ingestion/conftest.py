"""Sources made of a few lines, and a loader to put them through."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ingestion.ingest import IngestionFailed, ingest, prepare_sources
from ingestion.ledger import LoadCounts
from ingestion.quarantine import Replay, replay
from ingestion.source import Source, Window, load_source
from stack.database import Warehouse

VAULT_KEY = "dGVzdC1rZXktb2YtdGhlLXZhdWx0LTMyLWJ5dGVzISE="

HEAD = """
description: {ru: Проверочный источник записей, en: A source that tests are made of}
owner: tests
tier: 3
freshness: {warn_hours: 1, error_hours: 2}
"""


@pytest.fixture(scope="session")
def vault_key() -> str:
    return VAULT_KEY


@pytest.fixture
def make_source(tmp_path: Path) -> Callable[..., Source]:
    """Builds a Source from the lines that matter to the test."""

    def build(code: str, text: str, **environment: str) -> Source:
        folder = tmp_path / "sources"
        folder.mkdir(exist_ok=True)
        path = folder / f"{code}.yml"
        path.write_text(HEAD + textwrap.dedent(text), encoding="utf-8")
        return load_source(path, environment)

    return build


@dataclass
class Platform:
    """The warehouse as the tests of the loader use it."""

    warehouse: Warehouse
    vault_key: str

    @property
    def url(self) -> str:
        return self.warehouse.url("loader")

    def ingest(
        self,
        source: Source,
        *,
        window: Window | None = None,
        run_id: str = "test",
        region: str | None = None,
        files: Path | None = None,
    ) -> list[LoadCounts]:
        """Loads that may fail: what happened is in their outcome."""
        prepare_sources(self.url, [source])
        try:
            return ingest(
                source,
                database_url=self.url,
                vault_key=self.vault_key,
                window=window,
                run_id=run_id,
                region=region,
                files=files,
            )
        except IngestionFailed as failure:
            return failure.loads

    def replay(self, *sources: Source, load_id: int | None = None) -> Replay:
        return replay(sources, database_url=self.url, vault_key=self.vault_key, load_id=load_id)

    def rows(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url) as connection:
            return connection.execute(query, parameters).fetchall()

    def records(self, table: str) -> list[dict[str, Any]]:
        """Canonical records in the order of their landing, tombstones left out."""
        return [
            row[0]
            for row in self.rows(
                f"select record from raw.{table} where not is_deleted order by raw_id"
            )
        ]

    def quarantine(self, source_code: str) -> list[tuple[Any, ...]]:
        """(error code, native id, state) of the entries of a source, oldest first."""
        return self.rows(
            "select error_code, native_id, state from ops.quarantine where source_code = %s"
            " order by quarantine_id",
            source_code,
        )

    def stored_text(self, table: str) -> str:
        """Everything that stands in the clear about a source's records."""
        parts = self.rows(
            f"select native_id || payload::text || record::text from raw.{table}"
            " union all select coalesce(native_id, '') || reason || coalesce(file_name, '')"
            " from ops.quarantine"
            " union all select coalesce(error_message, '') || coalesce(file_name, '')"
            " from ops.loads"
        )
        return "\n".join(row[0] for row in parts)


@pytest.fixture
def platform(warehouse: Warehouse, vault_key: str) -> Platform:
    return Platform(warehouse, vault_key)
