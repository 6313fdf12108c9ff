"""Named entities by slovnet (CNN-CRF on navec embeddings; both ship in natasha's wheel).

The network is the dearest step, so it sees only lines that may hold a name: a capitalised word
after the first, or a word that pymorphy3 knows as a name, a surname or a place. Lines of several
documents go through it together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from itertools import islice
from typing import Any

import numpy as np
from navec import Navec
from slovnet import NER
from spacy.language import Language
from spacy.tokens import Doc, Span

from nlp.morphology import NATASHA_DATA, Form

_NAVEC = NATASHA_DATA / "emb" / "navec_news_v1_1B_250K_300d_100q.tar"
_NER = NATASHA_DATA / "model" / "slovnet_ner_news_v1.tar"
_LONGEST_CHUNK = 120
_NETWORK_BATCH = 32
_SENTENCE_END = frozenset(".!?\n…")


@cache
def navec() -> Navec:
    """The quantized embeddings: 250,000 words of 300 numbers."""
    return Navec.load(str(_NAVEC))


@cache
def network() -> NER:
    """The recogniser of one process."""
    recogniser = NER.load(str(_NER), batch_size=_NETWORK_BATCH)
    recogniser.navec(navec())
    return recogniser


class EntityRecogniser:
    """Sets `doc.ents` with the labels PER, LOC and ORG."""

    def __init__(self, batch_documents: int) -> None:
        self.batch_documents = batch_documents
        self._on_error: Callable[..., Any] | None = None

    def set_error_handler(self, handler: Callable[..., Any]) -> None:
        self._on_error = handler

    def __call__(self, doc: Doc) -> Doc:
        self._recognise([doc])
        return doc

    def pipe(self, stream: Iterable[Doc], **_: object) -> Iterator[Doc]:
        documents = iter(stream)
        while batch := list(islice(documents, self.batch_documents)):
            try:
                self._recognise(batch)
            except Exception:
                yield from self._one_by_one(batch)
            else:
                yield from batch

    def _one_by_one(self, batch: list[Doc]) -> Iterator[Doc]:
        """After a failure: the documents apart, so that only the faulty one is lost."""
        for doc in batch:
            try:
                self._recognise([doc])
            except Exception as error:
                if self._on_error is None:
                    raise
                self._on_error("tsur_entities", self, [doc], error)
            else:
                yield doc

    def _recognise(self, documents: list[Doc]) -> None:
        chunks: list[tuple[int, int, int]] = []
        for number, doc in enumerate(documents):
            chunks.extend((number, start, end) for start, end in _worthwhile(doc))
        all_words = [doc._.words for doc in documents]
        found: dict[int, list[Span]] = {}
        # Chunks of like length together: the network pads a batch to its longest.
        chunks.sort(key=lambda chunk: chunk[2] - chunk[1])
        infer = network().infer
        for position in range(0, len(chunks), _NETWORK_BATCH):
            part = chunks[position : position + _NETWORK_BATCH]
            words = [all_words[number][start:end] for number, start, end in part]
            predictions = infer.decoder(infer.process(infer.encoder(words)))
            for (number, start, _), tags in zip(part, predictions, strict=True):
                found.setdefault(number, []).extend(_spans(documents[number], start, tags))
        for number, spans in found.items():
            documents[number].ents = spans


def _worthwhile(doc: Doc) -> Iterator[tuple[int, int]]:
    """Token ranges of sentences (at most `_LONGEST_CHUNK` tokens) that may hold an entity."""
    start, is_worthwhile = 0, False
    words: list[str] = doc._.words
    forms: list[Form | None] = doc._.forms
    for position, (text, form) in enumerate(zip(words, forms, strict=True)):
        if form is not None and not is_worthwhile:
            is_worthwhile = _may_be_name(text, form, is_first=position == start)
        size = position + 1 - start
        ends = text in _SENTENCE_END and size > 40
        if ends or text == "\n" or size >= _LONGEST_CHUNK:
            if is_worthwhile:
                yield start, position + 1
            start, is_worthwhile = position + 1, False
    if is_worthwhile and start < len(doc):
        yield start, len(doc)


def _may_be_name(text: str, form: Form, *, is_first: bool) -> bool:
    """May a word be a part of a name of a person, a place or an organisation?"""
    if text[0].isupper():
        proper = form.place_share + form.name_share + form.surname_share + form.patronymic_share
        is_caps = len(text) > 1 and text.isupper()
        return not is_first or proper > 0.2 or not form.is_known or is_caps
    return form.name_share + form.patronymic_share > 0.6 or form.surname_share > 0.6


def _spans(doc: Doc, offset: int, tags: list[str]) -> Iterator[Span]:
    """Spans of one chunk from its B-/I-/O tags."""
    begin, label = -1, ""
    for position, tag in enumerate([*tags, "O"]):
        prefix, _, kind = tag.partition("-")
        if begin >= 0 and (prefix != "I" or kind != label):
            yield Span(doc, offset + begin, offset + position, label=label)
            begin = -1
        if prefix == "B" or (prefix == "I" and begin < 0):
            begin, label = position, kind


@Language.factory("tsur_entities", default_config={"batch_documents": 128})
def create_entities(nlp: Language, name: str, batch_documents: int) -> EntityRecogniser:
    """Factory of the recogniser."""
    return EntityRecogniser(batch_documents)


def vector(word: str) -> np.ndarray | None:
    """The embedding of a lower-case word, or None when navec does not know it."""
    found = navec().get(word)
    return None if found is None else np.asarray(found, dtype=np.float32)
