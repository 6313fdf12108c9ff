"""The first step of the pipeline: a raw text becomes a document of clean, typed tokens."""

from __future__ import annotations

import re

import spacy
from spacy.language import Language
from spacy.tokens import Doc
from spacy.vocab import Vocab

from nlp.cleaning import clean
from nlp.morphology import Form, Morphology
from nlp.personal_patterns import mask_patterns

_TOKEN = re.compile(
    r"\[[А-ЯЁ ]{3,16}\]"  # a placeholder
    r"|[А-Яа-яЁёA-Za-z]+(?:[-'’`][А-Яа-яЁёA-Za-z]+)*"
    r"|\d+"
    r"|\n"
    r"|[^\w\s]|_"
    r"|\w+"
)


class CleaningTokenizer:
    """Cleans a text, masks what has a shape of its own, and cuts the rest into tokens."""

    def __init__(self, vocab: Vocab) -> None:
        self.vocab = vocab

    def __call__(self, text: str) -> Doc:
        masked, counts = mask_patterns(clean(text))
        words: list[str] = []
        spaces: list[bool] = []
        end = 0
        for match in _TOKEN.finditer(masked):
            if words and match.start() > end:
                spaces[-1] = True
            words.append(match.group())
            spaces.append(False)
            end = match.end()
        doc = Doc(self.vocab, words=words, spaces=spaces)
        doc._.pattern_counts = counts
        doc._.words = words
        return doc

    # The tokenizer has no state of its own; spaCy asks for these when a pipeline is stored.
    def to_bytes(self, **_: object) -> bytes:
        return b""

    def from_bytes(self, _data: bytes, **_: object) -> CleaningTokenizer:
        return self

    def to_disk(self, _path: object, **_: object) -> None:
        return None

    def from_disk(self, _path: object, **_: object) -> CleaningTokenizer:
        return self


@spacy.registry.tokenizers("tsur.cleaning_tokenizer.v1")
def create_tokenizer() -> object:
    """The tokenizer's factory in spaCy's registry."""

    def build(nlp: Language) -> CleaningTokenizer:
        return CleaningTokenizer(nlp.vocab)

    return build


class Lemmatizer:
    """Sets `token.lemma_` and `doc._.forms`, one form or None a token (pymorphy3, remembered).

    Plain lists beside the document: a custom attribute of a token costs a hundred times more.
    """

    def __init__(self) -> None:
        self.morphology = Morphology()

    def __call__(self, doc: Doc) -> Doc:
        form_of = self.morphology.form
        words: list[str] = doc._.words
        forms: list[Form | None] = [form_of(word) if word[0].isalpha() else None for word in words]
        for token, form in zip(doc, forms, strict=True):
            token.lemma_ = token.text if form is None else form.lemma
        doc._.forms = forms
        return doc


@Language.factory("tsur_lemmatizer")
def create_lemmatizer(nlp: Language, name: str) -> Lemmatizer:
    """Factory of the lemmatizer."""
    return Lemmatizer()
