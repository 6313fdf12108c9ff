"""Organisations, places and municipalities that a text names."""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path

from spacy.language import Language
from spacy.tokens import Doc

from nlp.morphology import Morphology

_KIND_WORDS = frozenset(
    "муниципальный район городской округ город поселок сельский поселение область край закрытый "
    "административно-территориальный образование зато с внутригородской деление рабочий".split()
)
_DISTRICT_WORDS = frozenset(["район", "р-н", "рн", "округ", "рон", "мр", "мо", "го"])
_TOWN_MARKERS = frozenset("г город гор г.о го пос поселок рп п с село".split())
_LONGEST_ENTITY = 120


class EntityNormalizer:
    """Fills `doc._.organisations` and `doc._.places`; what touches a person's name is left out."""

    def __call__(self, doc: Doc) -> Doc:
        flags = doc._.person_token_flags or []
        organisations: dict[str, None] = {}
        places: dict[str, None] = {}
        for entity in doc.ents:
            if entity.label_ not in {"ORG", "LOC"}:
                continue
            if any(flags[entity.start : entity.end]) or "[" in entity.text:
                continue
            text = " ".join(entity.text.split()).strip("«»\"'.,:;!?()- ")
            if len(text) < 2 or len(text) > _LONGEST_ENTITY:
                continue
            (organisations if entity.label_ == "ORG" else places).setdefault(text)
        doc._.organisations = tuple(organisations)
        doc._.places = tuple(places)
        return doc


@Language.factory("tsur_places")
def create_places(nlp: Language, name: str) -> EntityNormalizer:
    """Factory of the normaliser."""
    return EntityNormalizer()


class MunicipalityGazetteer:
    """Finds municipalities by the lemmas of their names, towns inside the names included.

    An adjective names a municipality only before «район» or «округ» («в Бондарском районе»); a
    town's name is enough by itself («в Челябинске»). A name that two regions share gives the codes
    of both: which one is meant, the case's region decides later.
    """

    def __init__(self, rows: list[tuple[str, str]], morphology: Morphology) -> None:
        """rows: pairs of an OKTMO code (8 digits) and an official name."""
        self._morphology = morphology
        self._adjectives: dict[str, set[str]] = defaultdict(set)
        self._towns: dict[tuple[str, ...], set[str]] = defaultdict(set)
        for code, name in rows:
            self._add(code, name)
        self._town_starts = {key[0] for key in self._towns}

    def _lemma(self, word: str) -> str:
        return self._morphology.form(word).lemma

    def _add(self, code: str, name: str) -> None:
        words = name.replace("«", " ").replace("»", " ").replace('"', " ").split()
        proper = [word for word in words if self._lemma(word) not in _KIND_WORDS]
        if not proper:
            return
        if len(proper) == 1:
            word = proper[0]
            form = self._morphology.form(word)
            is_adjective = form.part == "ADJF" or word.lower().endswith(("ский", "цкий", "ской"))
            is_named_town = words.index(word) > 0 and self._lemma(words[words.index(word) - 1]) in {
                "город", "округ", "зато"
            }  # fmt: skip
            if is_adjective and not is_named_town:
                self._adjectives[_stem(word)].add(code)
                return
        self._towns[tuple(_town_key(self._lemma(word), word) for word in proper)].add(code)

    def codes(self, doc: Doc) -> list[str]:
        """OKTMO codes of the municipalities that the document names, sorted."""
        found: set[str] = set()
        size = len(doc)
        for i, token in enumerate(doc):
            form = token._.form
            if form is None:
                continue
            if self._adjectives and i + 1 < size:
                codes = self._adjectives.get(_stem(token.text))
                if codes:
                    j = i + 1
                    if doc[j].lemma_ in {"муниципальный", "городской"} and j + 1 < size:
                        j += 1
                    if doc[j].lemma_ in _DISTRICT_WORDS or doc[j].text.lower() in _DISTRICT_WORDS:
                        found |= codes
            key = _town_key(form.lemma, token.text)
            if key in self._town_starts:
                for length in (3, 2, 1):
                    part = tuple(
                        _town_key(other.lemma_, other.text) for other in doc[i : i + length]
                    )
                    if len(part) == length and part in self._towns:
                        if length > 1 or token.text[0].isupper() or self._is_marked(doc, i):
                            found |= self._towns[part]
                        break
        return sorted(found)

    @staticmethod
    def _is_marked(doc: Doc, i: int) -> bool:
        """Does «г.», «город», «пос.» or «в» stand before a town written with a small letter?"""
        j = i - 1
        if j >= 0 and doc[j].text == ".":
            j -= 1
        return j >= 0 and (doc[j].text.lower() in _TOWN_MARKERS or doc[j].text.lower() == "в")

    def __call__(self, doc: Doc) -> Doc:
        doc._.municipality_codes = tuple(self.codes(doc))
        return doc


_ADJECTIVE_ENDINGS = ("ского", "скому", "ским", "ском", "ский", "ская", "ской", "скую", "ское",
                      "цкого", "цкому", "цким", "цком", "цкий", "цкая", "цкой", "цкую")  # fmt: skip


def _stem(word: str) -> str:
    """The part of a relative adjective that its cases share: «Бондарском» → «бондар|ск»."""
    word = word.lower().replace("ё", "е")
    for ending in _ADJECTIVE_ENDINGS:
        if word.endswith(ending):
            return word[: -len(ending)] + ending[:2]
    return word


def _town_key(lemma: str, word: str) -> str:
    """A lemma that does not depend on how pymorphy3 guesses an unknown town."""
    key = (lemma or word).lower().replace("ё", "е")
    for ending in ("ский", "ская", "ское"):
        if key.endswith(ending):
            return key[: -len(ending)] + "ск"
    return key[:-1] if len(key) > 5 and key[-1] in "аяыйьое" else key


def read_municipalities(path: Path) -> list[tuple[str, str]]:
    """Code and name of every row of the seed `municipalities.csv`; empty when it is not there."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8-sig", newline="") as file:
        return [
            (row["municipality_code"], row["municipality_name"]) for row in csv.DictReader(file)
        ]


@Language.factory("tsur_municipalities", default_config={"rows": []})
def create_municipalities(
    nlp: Language, name: str, rows: list[tuple[str, str]]
) -> MunicipalityGazetteer:
    """Factory of the gazetteer; rows as in `read_municipalities`."""
    return MunicipalityGazetteer([(code, title) for code, title in rows], Morphology())
