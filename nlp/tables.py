"""The tables that enrichment writes: `nlp.models` and `nlp.enrichments`.

An enrichment is keyed by the hash of a text and the version of the model, and is never changed: a
new model adds rows beside the old ones, so that a published figure can be rebuilt with the model
that it was made with.
"""

from __future__ import annotations

from typing import Any

from psycopg import Connection
from psycopg.types.json import Jsonb

_STATEMENTS = (
    """
    create table if not exists nlp.models (
        model_version text primary key,
        created_at timestamptz not null default now(),
        is_current boolean not null default false,
        metrics jsonb not null default '{}'
    )
    """,
    """
    create unique index if not exists models_one_current
    on nlp.models (is_current) where is_current
    """,
    """
    create table if not exists nlp.enrichments (
        text_hash text not null,
        model_version text not null references nlp.models,
        masked_text text,
        lemmas text[] not null,
        organisations text[] not null,
        places text[] not null,
        municipality_codes text[] not null,
        block_code text not null check (block_code in (
            'HEALTH', 'EDU', 'SOC', 'HCS', 'WASTE', 'ROADS', 'TRANSPORT', 'ENERGY', 'OTHER',
            'unknown'
        )),
        block_probability numeric not null check (block_probability between 0 and 1),
        entities jsonb not null,
        enriched_at timestamptz not null default now(),
        primary key (text_hash, model_version)
    )
    """,
    """
    comment on column nlp.enrichments.masked_text is
    'Text without personal data; null when masking failed: the raw text never stands in for it'
    """,
)


def ensure(connection: Connection[Any]) -> None:
    """Creates the tables where they are missing; as tsur_transformer, inside the caller's
    transaction."""
    # Two first runs at once would otherwise collide in the catalogue.
    connection.execute("select pg_advisory_xact_lock(hashtext('nlp.tables'))")
    for statement in _STATEMENTS:
        connection.execute(statement)


def register_model(connection: Connection[Any], version: str, metrics: dict[str, Any]) -> None:
    """Makes a version the current one and keeps the metrics that it ships with."""
    connection.execute(
        "update nlp.models set is_current = false where is_current and model_version <> %s",
        [version],
    )
    connection.execute(
        """
        insert into nlp.models (model_version, is_current, metrics) values (%s, true, %s)
        on conflict (model_version) do update
        set is_current = true, metrics = excluded.metrics
        where not models.is_current or models.metrics <> excluded.metrics
        """,
        [version, Jsonb(metrics)],
    )
