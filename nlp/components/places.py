"""Organisations, places and municipalities that a text names."""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Collection, Iterable
from pathlib import Path

from spacy.language import Language
from spacy.tokens import Doc

from nlp.morphology import Form, Morphology
from nlp.name_lists import word_set

_KIND_WORDS = word_set("""
    муниципальный район городской округ город поселок сельский поселение область край закрытый
    административно-территориальный образование зато с внутригородской деление рабочий
    """)
_TOWN_MARKERS = word_set("""
    г город гор го пос поселок посёлок рп пгт п
    """)
_LONGEST_ENTITY = 120
_LARGEST_CACHE = 200_000
TOWNS = Path(__file__).resolve().parents[1] / "gazetteer" / "towns.csv"


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
    """Finds municipalities by the lemmas of their names and of the towns that lie in them.

    An adjective names a municipality only beside «район» or «округ» («в Бондарском районе»,
    «Копейский городской округ»); a town's name is enough by itself («в Челябинске»), unless it is
    an everyday word or a surname too («Остров», «Кирсанов»): that one needs «г.», «в» or the
    like. A name that two regions share gives the codes of both: which one is meant, the case's
    region decides later.
    """

    def __init__(self, rows: Iterable[tuple[str, str]], morphology: Morphology) -> None:
        """rows: pairs of an OKTMO code (8 digits) and the name of a municipality or of a town."""
        self._morphology = morphology
        self._adjectives: dict[tuple[str, str], set[str]] = defaultdict(set)
        self._towns: dict[tuple[str, ...], set[str]] = defaultdict(set)
        self._doubtful: set[tuple[str, ...]] = set()
        for code, name in rows:
            self._add(code, name)
        self._adjective_stems = {stem for stem, _ in self._adjectives}
        self._town_starts = {key[0] for key in self._towns}
        self._keys: dict[str, tuple[str, bool]] = {}

    def _add(self, code: str, name: str) -> None:
        words = re.findall(r"[А-Яа-яЁё]+(?:-[А-Яа-яЁё0-9]+)*", name)
        lemmas = [self._morphology.form(word).lemma for word in words]
        proper = [w for w, lemma in zip(words, lemmas, strict=True) if lemma not in _KIND_WORDS]
        if not proper:
            return
        kind = "район" if "район" in lemmas else "округ" if "округ" in lemmas else ""
        if kind and len(proper) == 1 and words[0] == proper[0]:
            self._adjectives[_stem(proper[0]), kind].add(code)
            return
        key = tuple(_town_key(self._morphology.form(word).lemma, word) for word in proper)
        self._towns[key].add(code)
        if len(proper) == 1 and self._is_everyday(proper[0]):
            self._doubtful.add(key)

    def _is_everyday(self, word: str) -> bool:
        """Is a town's name an ordinary word, an adjective or a first name as well?"""
        form = self._morphology.form(word)
        if form.part == "ADJF" or word.lower() in _EVERYDAY_TOWNS:
            return True
        return form.is_known and (form.place_share < 0.3 or form.surname_share > 0.2)

    def codes(self, doc: Doc) -> list[str]:
        """OKTMO codes of the municipalities that the document names, sorted."""
        found: set[str] = set()
        words: list[str] = doc._.words
        forms: list[Form | None] = doc._.forms
        for i, (word, form) in enumerate(zip(words, forms, strict=True)):
            if form is None:
                continue
            keys = self._keys.get(word)
            if keys is None:
                if len(self._keys) > _LARGEST_CACHE:
                    self._keys.clear()
                stem = _stem(word)
                is_town = _town_key(form.lemma, word) in self._town_starts
                keys = self._keys[word] = (stem if stem in self._adjective_stems else "", is_town)
            if keys[0] and i + 1 < len(words):
                found |= self._district(doc, i, keys[0])
            if keys[1]:
                found |= self._town(doc, i)
        return sorted(found)

    def _district(self, doc: Doc, i: int, stem: str) -> set[str]:
        words = [other.text.lower() for other in doc[i + 1 : i + 4]]
        lemmas = [other.lemma_ for other in doc[i + 1 : i + 4]]
        if lemmas[0] in {"муниципальный", "городской"}:
            words, lemmas = words[1:], lemmas[1:]
        if not words:
            return set()
        for kind, names in _KINDS.items():
            if lemmas[0] in names or words[0] in names:
                return self._adjectives.get((stem, kind), set())
        return set()

    def _town(self, doc: Doc, i: int) -> set[str]:
        for length in (3, 2, 1):
            part = doc[i : i + length]
            if len(part) < length:
                continue
            key = tuple(_town_key(other.lemma_, other.text) for other in part)
            if key not in self._towns:
                continue
            is_capital = doc[i].text[0].isupper()
            if key in self._doubtful:
                is_named = is_capital and _is_marked(doc, i, {*_TOWN_MARKERS, "в", "из"})
            else:
                is_named = length > 1 or is_capital or _is_marked(doc, i, {*_TOWN_MARKERS, "в"})
            if not is_named or _is_marked(doc, i, _STREETS):
                return set()
            doc._.town_tokens = (*doc._.town_tokens, *range(i, i + length))
            return self._towns[key]
        return set()

    def __call__(self, doc: Doc) -> Doc:
        doc._.town_tokens = ()
        doc._.municipality_codes = tuple(self.codes(doc))
        return doc


def _is_marked(doc: Doc, i: int, markers: Collection[str]) -> bool:
    j = i - 1
    if j >= 0 and doc[j].text == ".":
        j -= 1
    return j >= 0 and (doc[j].text.lower() in markers or doc[j].lemma_ in markers)


_KINDS = {"район": ("район", "р-н", "рн", "мр"), "округ": ("округ", "го")}
_STREETS = word_set("""
    ул улица пер переулок пр проспект пр-т шоссе тракт проезд
    """)
_ADJECTIVE_ENDINGS = ("ского", "скому", "ским", "ском", "ский", "ская", "ской", "скую", "ское",
                      "цкого", "цкому", "цким", "цком", "цкий", "цкая", "цкой", "цкую")  # fmt: skip
_EVERYDAY_TOWNS = word_set("""
    кирсанов роза дно сим пласт остров кошки строитель богатое варна магнитка куса бира аша бреды
    знаменка николаевка алексеевка дмитриевка сосновка кунья осинки межевой
    """)


def _stem(word: str) -> str:
    """The part of an adjective that its cases share: «Бондарском» gives «бондарск»."""
    word = word.lower().replace("ё", "е")
    for ending in _ADJECTIVE_ENDINGS:
        if word.endswith(ending):
            return word[: -len(ending)] + ending[:2]
    for ending in ("ого", "ому", "ным", "ном", "ный"):
        if word.endswith(ending):
            return word[: -len(ending)] + ("н" if ending[0] == "н" else "")
    return word


def _town_key(lemma: str, word: str) -> str:
    """A lemma that does not depend on how pymorphy3 guesses a town that it does not know."""
    key = (lemma or word).lower().replace("ё", "е")
    return key[:-1] if len(key) > 3 and key[-1] in "аяыйьоеи" else key


def read_municipalities(path: Path, towns: Path = TOWNS) -> list[tuple[str, str]]:
    """Code and name of every municipality of the seed, then the towns of those municipalities.

    path: `municipalities.csv` with municipality_code and municipality_name; an empty list when it
    is not there. towns: municipality_code, town (from the settlements of OpenStreetMap).
    """
    if not path.exists():
        return []
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = [
            (row["municipality_code"], row["municipality_name"]) for row in csv.DictReader(file)
        ]
    codes = {code for code, _ in rows}
    with towns.open(encoding="utf-8", newline="") as file:
        rows += [
            (row["municipality_code"], row["town"])
            for row in csv.DictReader(file)
            if row["municipality_code"] in codes
        ]
    return rows


@Language.factory("tsur_municipalities", default_config={"rows": []})
def create_municipalities(
    nlp: Language, name: str, rows: list[tuple[str, str]]
) -> MunicipalityGazetteer:
    """Factory of the gazetteer; rows as in `read_municipalities`."""
    return MunicipalityGazetteer([(code, title) for code, title in rows], Morphology())
