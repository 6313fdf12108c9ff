"""Lemmas and name flags of Russian word forms by pymorphy3, remembered by form.

One message repeats few words and 30,000 messages repeat most of them: a dictionary of forms makes
the analysis some twenty times cheaper than asking pymorphy3 again.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import natasha
import pymorphy3

_LARGEST_CACHE = 400_000
NATASHA_DATA = Path(natasha.__file__).parent / "data"


# Abbreviations of addresses and everyday writing that pymorphy3 reads as other words.
_ABBREVIATIONS = {
    "ул": "улица", "д": "дом", "кв": "квартира", "тел": "телефон", "г": "город", "пр": "проспект",
    "пер": "переулок", "мкр": "микрорайон", "обл": "область", "р-н": "район", "пос": "поселок",
    "ост": "остановка", "ук": "ук", "тко": "тко", "тсж": "тсж", "жкх": "жкх", "жку": "жку",
    "ржд": "ржд", "фап": "фап", "сво": "сво", "снт": "снт",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Form:
    """What a word form may be; shares are sums of pymorphy3's scores over the readings (0..1)."""

    lemma: str
    part: str
    is_known: bool
    name_share: float
    surname_share: float
    patronymic_share: float
    place_share: float
    common_share: float
    is_genitive_surname: bool
    is_nominative_name: bool
    is_genitive_name: bool


@cache
def analyzer() -> pymorphy3.MorphAnalyzer:
    """The one analyzer of this process (its dictionary takes about 15 MB)."""
    return pymorphy3.MorphAnalyzer(lang="ru")


@cache
def surnames() -> frozenset[str]:
    """Surnames in the nominative, lower case, as natasha's wheel lists them."""
    return _dictionary("last.txt")


@cache
def first_names() -> frozenset[str]:
    """First names in the nominative, lower case, as natasha's wheel lists them."""
    return _dictionary("first.txt")


def _dictionary(name: str) -> frozenset[str]:
    text = (NATASHA_DATA / "dict" / name).read_text(encoding="utf-8")
    return frozenset(line.strip().lower() for line in text.splitlines() if line.strip())


class Morphology:
    """Looks word forms up; keeps at most `_LARGEST_CACHE` of them."""

    def __init__(self) -> None:
        self._forms: dict[str, Form] = {}

    def form(self, word: str) -> Form:
        """The analysis of a word form (any case)."""
        word = word.lower()
        found = self._forms.get(word)
        if found is None:
            if len(self._forms) >= _LARGEST_CACHE:
                self._forms.clear()
            found = self._forms[word] = self._analyze(word)
        return found

    def _analyze(self, word: str) -> Form:
        if not word or not any("а" <= char <= "я" or char == "ё" for char in word):
            return Form(word, "", False, 0.0, 0.0, 0.0, 0.0, 0.0, False, False, False)
        readings = analyzer().parse(word)
        if not readings:
            return Form(word, "", False, 0.0, 0.0, 0.0, 0.0, 0.0, False, False, False)
        shares = {"Name": 0.0, "Surn": 0.0, "Patr": 0.0, "Geox": 0.0}
        common = 0.0
        genitive_surname = nominative_name = genitive_name = False
        for reading in readings:
            tag = reading.tag
            for grammeme in shares:
                if grammeme in tag:
                    shares[grammeme] += reading.score
            if not any(grammeme in tag for grammeme in shares):
                common += reading.score
            if "Surn" in tag:
                genitive_surname = genitive_surname or "gent" in tag
            if "Name" in tag:
                nominative_name = nominative_name or "nomn" in tag
                genitive_name = genitive_name or "gent" in tag
        best = readings[0]
        if not best.is_known and not {word, best.normal_form} & first_names():
            # pymorphy3 guesses «Крохалева» to be a first name: more likely a surname.
            shares["Surn"], shares["Name"] = shares["Surn"] + shares["Name"], 0.0
        if "-" in word.strip("-"):
            # «Анна-Мария», «Соловьёв-Седой»: a half that is a name makes the whole one.
            for half in (self.form(part) for part in word.split("-") if len(part) > 2):
                shares["Name"] = max(shares["Name"], half.name_share)
                shares["Surn"] = max(shares["Surn"], half.surname_share)
                shares["Patr"] = max(shares["Patr"], half.patronymic_share)
        return Form(
            lemma=_ABBREVIATIONS.get(word, best.normal_form.replace("ё", "е")),
            part=str(best.tag.POS or ""),
            is_known=best.is_known,
            name_share=shares["Name"],
            surname_share=shares["Surn"],
            patronymic_share=shares["Patr"],
            place_share=shares["Geox"],
            common_share=common,
            is_genitive_surname=genitive_surname,
            is_nominative_name=nominative_name,
            is_genitive_name=genitive_name,
        )
