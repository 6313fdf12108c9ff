"""Invented people: names, phones, mail boxes. Any likeness to a living person is chance."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from ingestion.sandbox.catalog import word_list

SURNAMES = word_list("surnames")
MALE = word_list("male names")
FEMALE = word_list("female names")
FATHERS = word_list("fathers")
MAIL_DOMAINS = ("mail.example", "post.example", "inbox.example", "pochta.example")
_CYRILLIC = "абвгдеёжзийклмнопрстуфхцчшщъыьэюя"
_LATIN_LETTERS = "a|b|v|g|d|e|e|zh|z|i|y|k|l|m|n|o|p|r|s|t|u|f|h|c|ch|sh|sch||y||e|yu|ya"
_LATIN = dict(zip(_CYRILLIC, _LATIN_LETTERS.split("|"), strict=True))


@dataclass(frozen=True)
class Person:
    surname: str
    name: str
    patronymic: str
    phone: str
    email: str
    is_female: bool

    @property
    def full_name(self) -> str:
        return f"{self.surname} {self.name} {self.patronymic}"

    @property
    def short_name(self) -> str:
        return f"{self.surname} {self.name[0]}. {self.patronymic[0]}."


def latin(word: str) -> str:
    """Transliterates for mail boxes and page addresses."""
    return "".join(_LATIN.get(letter, letter) for letter in word.lower())


def invent_person(rng: Random) -> Person:
    """A person of either sex, with a mobile number and a mail box of a domain that is not real."""
    is_female = rng.random() < 0.62
    surname = rng.choice(SURNAMES) + ("а" if is_female else "")
    name = rng.choice(FEMALE if is_female else MALE)
    father = rng.choice(FATHERS)
    patronymic = father + ("вна" if is_female else "вич")
    phone = f"+79{rng.randrange(10**9):09d}"
    tail = rng.choice(("", str(rng.randrange(50, 99)), str(rng.randrange(1960, 2006))))
    email = f"{latin(surname)}.{latin(name)[0]}{tail}@{rng.choice(MAIL_DOMAINS)}"
    return Person(surname, name, patronymic, phone, email, is_female)


def spell_phone(rng: Random, phone: str) -> str:
    """The same number as people write it."""
    digits = phone[2:]
    a, b, c, d = digits[:3], digits[3:6], digits[6:8], digits[8:]
    return rng.choice(
        (
            f"8-{a}-{b}-{c}-{d}",
            f"8{digits}",
            f"+7 {a} {b}-{c}-{d}",
            f"8 ({a}) {b} {c} {d}",
            f"+7({a}){b}-{c}-{d}",
            f"8 {a} {b} {c} {d}",
        )
    )
