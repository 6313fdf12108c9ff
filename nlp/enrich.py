"""Enriches every text of the warehouse that the current model has not seen yet.

Reads `intermediate.int_texts` and `intermediate.int_case_replies`, writes `nlp.enrichments`,
`nlp.text_signals` and `nlp.reply_signals`. Each batch is committed by itself, so a
run that was killed goes on where it stopped; memory holds a few batches, whatever the volume.
"""

from __future__ import annotations

import logging
import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg.types.json import Jsonb
from spacy.language import Language
from spacy.tokens import Doc

from nlp import tables
from nlp.components import entity_counts
from nlp.model import MODEL_VERSION, UNKNOWN, load_model
from nlp.morphology import Morphology
from nlp.pipeline import MUNICIPALITIES, build_pipeline
from nlp.signals import skeleton_hash, text_signals

logger = logging.getLogger(__name__)

# A text longer than this is cut before analysis; no appeal comes near it.
LONGEST_TEXT = 50_000
_PENDING = """
    from (select distinct on (text_hash) text_hash, text
          from intermediate.int_texts where text is not null order by text_hash) as texts
    where not exists (
        select 1 from nlp.enrichments as done
        where done.text_hash = texts.text_hash and done.model_version = %s
    )
"""
_COLUMNS = (
    "text_hash, model_version, masked_text, lemmas, organisations, places, municipality_codes, "
    "block_code, block_probability, entities"
)
# Signals are found apart from the enrichments: texts that were enriched before there were any get
# theirs without the pipeline being run again.
_PENDING_TEXT_SIGNALS = """
    select text_hash, text
    from (select distinct on (text_hash) text_hash, text
          from intermediate.int_texts where text is not null order by text_hash) as texts
    where not exists (
        select 1 from nlp.text_signals as done
        where done.text_hash = texts.text_hash and done.model_version = %s
    )
"""
_PENDING_REPLY_SIGNALS = """
    select reply_hash, reply_text
    from (select distinct on (reply_hash) reply_hash, reply_text
          from intermediate.int_case_replies order by reply_hash) as replies
    where not exists (
        select 1 from nlp.reply_signals as done
        where done.reply_hash = replies.reply_hash and done.model_version = %s
    )
"""
Text = tuple[str, str]
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class EnrichmentCounts:
    """What a run did: texts waiting at its start, enriched, and of these failed (no text shown);
    texts and replies whose signals were found."""

    model_version: str
    pending: int
    enriched: int
    failed: int
    text_signals: int
    reply_signals: int


@dataclass(frozen=True)
class Enrichment:
    """One row of `nlp.enrichments` without its time."""

    text_hash: str
    masked_text: str | None
    lemmas: list[str]
    organisations: list[str]
    places: list[str]
    municipality_codes: list[str]
    block_code: str
    block_probability: float
    entities: dict[str, int]

    @property
    def is_failed(self) -> bool:
        return self.masked_text is None


def failed(text_hash: str) -> Enrichment:
    """The row of a text that a component could not process: nothing of the text is in it."""
    return Enrichment(text_hash, None, [], [], [], [], UNKNOWN, 0.0, {"failed": 1})


def analyse(nlp: Language, texts: Iterable[Text]) -> Iterator[Enrichment]:
    """One enrichment for every (hash, text), in the same order; errors give `failed` rows."""
    hashes: list[str] = []

    def documents() -> Iterator[tuple[Doc, int]]:
        for number, (text_hash, text) in enumerate(texts):
            hashes.append(text_hash)
            try:
                doc = nlp.make_doc(text[:LONGEST_TEXT])
            except Exception as error:
                _report(text_hash, "tokenizer", error)
                continue
            doc.user_data["text_hash"] = text_hash
            yield doc, number

    def on_error(name: str, _component: object, docs: list[Doc], error: Exception) -> None:
        for doc in docs:
            _report(str(doc.user_data.get("text_hash")), name, error)

    nlp.set_error_handler(on_error)  # type: ignore[arg-type]
    done = 0
    for doc, number in nlp.pipe(documents(), as_tuples=True, batch_size=256):
        while done < number:
            yield failed(hashes[done])
            done += 1
        yield _row(hashes[number], doc)
        done = number + 1
    while done < len(hashes):
        yield failed(hashes[done])
        done += 1


def _report(text_hash: str, component: str, error: Exception) -> None:
    # The message of an error may quote the text: its class is enough for the log.
    logger.error(
        "text %s: %s failed with %s; it stays masked as null, report the hash to the data engineer",
        text_hash,
        component,
        type(error).__name__,
    )


def _row(text_hash: str, doc: Doc) -> Enrichment:
    if doc._.masked_text is None:
        return failed(text_hash)
    return Enrichment(
        text_hash=text_hash,
        masked_text=doc._.masked_text,
        lemmas=doc._.lemmas,
        organisations=list(doc._.organisations),
        places=list(doc._.places),
        municipality_codes=list(doc._.municipality_codes),
        block_code=doc._.block_code,
        block_probability=round(doc._.block_probability, 4),
        entities=entity_counts(doc),
    )


def enrich(
    database_url: str,
    *,
    batch_size: int = 500,
    progress: Progress | None = None,
    processes: int = 1,
    model_version: str = MODEL_VERSION,
    municipalities: Path = MUNICIPALITIES,
) -> EnrichmentCounts:
    """Enriches all pending texts and returns what was done.

    database_url: the warehouse, as tsur_transformer. progress: called with (done, pending) after
    every batch. processes: 1 works in this process; more start workers of about 250 MB each.
    A second run at the same time waits for the first. Raises psycopg.Error when the database
    refuses, FileNotFoundError when the model's artefact is missing.
    """
    metrics = load_model(model_version).metrics
    with psycopg.connect(database_url) as writer, psycopg.connect(database_url) as reader:
        tables.ensure(writer)
        writer.commit()
        writer.execute("select pg_advisory_lock(hashtext('nlp.enrich'))")
        tables.register_model(writer, model_version, metrics)
        writer.execute(_TEMPORARY)
        writer.commit()
        found = reader.execute("select count(*) " + _PENDING, [model_version]).fetchone()
        pending = int(found[0]) if found else 0
        done = failures = 0
        if pending:
            with reader.cursor(name="pending_texts") as cursor:
                cursor.itersize = batch_size
                cursor.execute("select text_hash, text " + _PENDING, [model_version])
                batches = iter(lambda: cursor.fetchmany(batch_size), [])
                for rows in _analysed(batches, processes, model_version, municipalities):
                    _store(writer, rows, model_version)
                    writer.commit()
                    done += len(rows)
                    failures += sum(row.is_failed for row in rows)
                    if progress is not None:
                        progress(done, pending)
        texts = _find_text_signals(reader, writer, model_version, batch_size)
        replies = _find_reply_signals(reader, writer, model_version, batch_size)
        writer.execute("select pg_advisory_unlock(hashtext('nlp.enrich'))")
    if failures:
        logger.error("%s of %s texts could not be masked and show no text", failures, done)
    return EnrichmentCounts(model_version, pending, done, failures, texts, replies)


def _find_text_signals(
    reader: psycopg.Connection[Any], writer: psycopg.Connection[Any], version: str, batch_size: int
) -> int:
    morphology = Morphology()
    done = 0
    for batch in _batches(reader, _PENDING_TEXT_SIGNALS, version, batch_size):
        found = [
            (text_hash, text_signals(text[:LONGEST_TEXT], morphology)) for text_hash, text in batch
        ]
        with writer.cursor() as cursor:
            cursor.executemany(
                "insert into nlp.text_signals (text_hash, model_version, normalised_text_hash,"
                " has_court, has_prosecutor, has_president) values (%s, %s, %s, %s, %s, %s)"
                " on conflict do nothing",
                [
                    (
                        *(text_hash, version, one.normalised_text_hash),
                        *(one.has_court, one.has_prosecutor, one.has_president),
                    )
                    for text_hash, one in found
                ],
            )
        writer.commit()
        done += len(batch)
    return done


def _find_reply_signals(
    reader: psycopg.Connection[Any], writer: psycopg.Connection[Any], version: str, batch_size: int
) -> int:
    morphology = Morphology()
    done = 0
    for batch in _batches(reader, _PENDING_REPLY_SIGNALS, version, batch_size):
        found = [
            (reply_hash, version, skeleton_hash(reply[:LONGEST_TEXT], morphology))
            for reply_hash, reply in batch
        ]
        with writer.cursor() as cursor:
            cursor.executemany(
                "insert into nlp.reply_signals (reply_hash, model_version, skeleton_hash)"
                " values (%s, %s, %s) on conflict do nothing",
                found,
            )
        writer.commit()
        done += len(batch)
    return done


def _batches(
    reader: psycopg.Connection[Any], query: str, version: str, size: int
) -> Iterator[list[Text]]:
    with reader.cursor(name="pending_signals") as cursor:
        cursor.itersize = size
        cursor.execute(query, [version])
        while rows := cursor.fetchmany(size):
            yield rows


_TEMPORARY = f"""
    create temporary table fresh_enrichments on commit delete rows as
    select {_COLUMNS} from nlp.enrichments with no data
"""  # noqa: S608 - no input of anybody is in it


def _store(connection: psycopg.Connection[Any], rows: list[Enrichment], version: str) -> None:
    with connection.cursor() as cursor:
        with cursor.copy(f"copy fresh_enrichments ({_COLUMNS}) from stdin") as copy:
            for row in rows:
                copy.write_row((
                    row.text_hash, version, row.masked_text, row.lemmas, row.organisations,
                    row.places, row.municipality_codes, row.block_code, row.block_probability,
                    Jsonb(row.entities),
                ))  # fmt: skip
        cursor.execute(
            f"insert into nlp.enrichments ({_COLUMNS}) select {_COLUMNS} from fresh_enrichments "  # noqa: S608
            "on conflict (text_hash, model_version) do nothing"
        )


def _analysed(
    batches: Iterable[list[Text]], processes: int, version: str, municipalities: Path
) -> Iterator[list[Enrichment]]:
    if processes <= 1:
        nlp = build_pipeline(version=version, municipalities=municipalities)
        for batch in batches:
            yield list(analyse(nlp, batch))
        return
    # Only a few batches are under way: the pool would otherwise read the whole table ahead.
    waiting: deque[Future[list[Enrichment]]] = deque()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        processes, context, initializer=_start_worker, initargs=(version, municipalities)
    ) as pool:
        for batch in batches:
            waiting.append(pool.submit(_work, batch))
            if len(waiting) > 2 * processes:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


_worker_pipeline: Language | None = None


def _start_worker(version: str, municipalities: Path) -> None:
    global _worker_pipeline
    _worker_pipeline = build_pipeline(version=version, municipalities=municipalities)


def _work(batch: list[Text]) -> list[Enrichment]:
    if _worker_pipeline is None:
        raise RuntimeError("the worker has no pipeline: its start must have failed")
    return list(analyse(_worker_pipeline, batch))
