"""Rows of `raw` for tests of the warehouse: canonical records written without a loader."""

from __future__ import annotations

import hashlib
import itertools
import json
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from nlp.tables import ensure as ensure_nlp

SOURCES = {
    "pos": ("pos_messages", "pos_cards", "pos_history"),
    "open311": ("open311_requests", "open311_services"),
    "municipal_register": ("municipal_register",),
    "vk": ("vk_posts", "vk_comments"),
    "duty_rosters": ("duty_rosters",),
    "checked_replies": ("checked_replies",),
    "populations": ("populations",),
    "kursk_messages": ("kursk_messages",),
    "perm_incidents": ("perm_incidents",),
    "boston_311_2015": ("boston_311_2015",),
    "fixmystreet_polls": ("fixmystreet_polls",),
    "chelyabinsk_comments": ("chelyabinsk_comments",),
    "vk_api_responses": ("vk_api_responses",),
    "risk_decisions": ("risk_decisions",),
    "votes": ("votes",),
    "surveys": ("surveys",),
    "official_pages": ("official_pages",),
    "projects": ("projects",),
    "project_risks": ("project_risks",),
    "project_stages": ("project_stages",),
    "measures": ("measures",),
    "orders": ("orders",),
    "media_plans": ("media_plans",),
    "indicators": ("indicators",),
    "information_requests": ("information_requests",),
    "bodies": ("bodies",),
    "corrections": ("corrections",),
}
SOURCE_OF_TABLE = {table: source for source, tables in SOURCES.items() for table in tables}

NLP_TABLES = """
create table if not exists nlp.models (
    model_version text primary key,
    created_at timestamptz not null,
    is_current boolean not null,
    metrics jsonb not null
);
create table if not exists nlp.enrichments (
    text_hash text not null,
    model_version text not null,
    masked_text text,
    lemmas text[],
    organisations text[],
    places text[],
    municipality_codes text[],
    block_code text,
    block_probability numeric,
    entities jsonb,
    enriched_at timestamptz,
    primary key (text_hash, model_version)
)
"""


def create_tables(loader_url: str, transformer_url: str) -> None:
    """Every raw table that the sources declare, and the tables of enrichment, all empty."""
    with psycopg.connect(loader_url) as connection:
        for table in SOURCE_OF_TABLE:
            connection.execute("select raw.create_entity_table(%s)", [table])
    with psycopg.connect(transformer_url) as connection:
        connection.execute(NLP_TABLES)
        ensure_nlp(connection)


def record_key(source_code: str, region_code: str, entity: str, native_id: str) -> uuid.UUID:
    """The first 16 bytes of the SHA-256 of the four parts, joined by the unit separator."""
    text = "\x1f".join((source_code, region_code, entity, native_id))
    return uuid.UUID(bytes=hashlib.sha256(text.encode()).digest()[:16])


def text_hash(text: str) -> str:
    """The key of an enrichment: SHA-256 of the text as written."""
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass
class RawRows:
    """Collects records and writes them by COPY."""

    rows: list[tuple[Any, ...]] = field(default_factory=list)
    counter: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def add(
        self,
        table: str,
        region_code: str,
        native_id: str | None = None,
        *,
        observed_at: str = "2026-11-20T00:00:00+00:00",
        is_deleted: bool = False,
        **record: Any,
    ) -> uuid.UUID:
        """One version of one record; returns its key. `record` holds the canonical fields."""
        number = next(self.counter)
        native_id = native_id or str(number)
        source_code = SOURCE_OF_TABLE[table]
        key = record_key(source_code, region_code, table, native_id)
        body = {"native_id": native_id, **record}
        digest = hashlib.sha256(json.dumps([body, is_deleted, number]).encode()).digest()
        self.rows.append(
            (
                *(table, key, source_code, region_code, native_id),
                *(Jsonb({}), Jsonb(body), digest, observed_at, is_deleted),
            )
        )
        return key

    def write(self, loader_url: str) -> None:
        """Land what was collected, one load a table and region."""
        with psycopg.connect(loader_url) as connection:
            for table, region in dict.fromkeys((row[0], row[3]) for row in self.rows):
                rows = [row[1:] for row in self.rows if (row[0], row[3]) == (table, region)]
                _land(connection, table, region, rows)
        self.rows.clear()


def _land(
    connection: psycopg.Connection, table: str, region: str, rows: Iterable[tuple[Any, ...]]
) -> None:
    rows = list(rows)
    load = connection.execute(
        "insert into ops.loads (run_id, source_code, entity, region_code, finished_at, outcome,"
        " rows_read, rows_landed) values ('test', %s, %s, %s, now(), 'success', %s, %s)"
        " returning load_id",
        [SOURCE_OF_TABLE[table], table, region, len(rows), len(rows)],
    ).fetchone()
    assert load is not None
    statement = (
        f"copy raw.{table} (record_key, source_code, region_code, native_id, payload, record,"
        " payload_hash, observed_at, is_deleted, load_id) from stdin"
    )
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row((*row, load[0]))
