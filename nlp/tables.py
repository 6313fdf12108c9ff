"""The tables that enrichment writes: `nlp.models`, `nlp.enrichments` and the contract tables.

`nlp.text_signals`, `nlp.reply_signals` and `nlp.near_duplicates` are what marts read of a text
beyond its block. What is certain is filled (`nlp/signals.py`); what needs understanding is null,
and no pair is near, until a model says so.

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
    # Builds ask whose text an erasure took.
    """
    create index if not exists enrichments_without_text
    on nlp.enrichments (text_hash) where masked_text is null
    """,
    """
    create table if not exists nlp.text_signals (
        text_hash text not null,
        model_version text not null references nlp.models,
        normalised_text_hash text,
        has_court boolean not null,
        has_prosecutor boolean not null,
        has_president boolean not null,
        tone text check (tone in ('negative', 'neutral', 'positive')),
        signalled_at timestamptz not null default now(),
        primary key (text_hash, model_version)
    )
    """,
    """
    comment on column nlp.text_signals.normalised_text_hash is
    'SHA-256 of letters and digits of the cleaned text, small; null under 40 of them'
    """,
    """
    create table if not exists nlp.reply_signals (
        reply_hash text not null,
        model_version text not null references nlp.models,
        skeleton_hash text,
        has_action boolean,
        has_date boolean,
        has_legal_reason boolean,
        has_personal_data boolean,
        is_rude boolean,
        promised_date date,
        signalled_at timestamptz not null default now(),
        primary key (reply_hash, model_version)
    )
    """,
    """
    comment on column nlp.reply_signals.skeleton_hash is
    'SHA-256 of the reply without numbers, names and addresses; null where little is left of it'
    """,
    """
    create table if not exists nlp.near_duplicates (
        text_kind text not null check (text_kind in ('message', 'reply')),
        first_hash text not null,
        second_hash text not null,
        model_version text not null references nlp.models,
        similarity numeric not null check (similarity between 0 and 1),
        found_at timestamptz not null default now(),
        primary key (text_kind, first_hash, second_hash, model_version),
        check (first_hash < second_hash)
    )
    """,
    # Builds ask which pairs have come since the one before.
    """
    create index if not exists near_duplicates_by_time on nlp.near_duplicates (found_at)
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
