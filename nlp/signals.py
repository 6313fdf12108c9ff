"""What is certain of a text without understanding it: hashes that tell copies, and words.

Three contract tables of `nlp` hold it (`nlp/tables.py`), keyed by the hash of the text as written
and the version of the model. Columns that need a text understood (tone, what a reply says) stay
null until a model fills them; the marts read them already.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from nlp.cleaning import clean
from nlp.morphology import Morphology
from nlp.name_lists import word_set

# Shorter texts («Спасибо!») are alike by chance: the same bound as `int_cases`.
SHORTEST = 40
# Lemmas as pymorphy3 gives them, «ё» as «е». A vice-president and a судно are other lemmas.
_COURT = frozenset({"суд", "судья", "судебный", "райсуд", "горсуд", "облсуд"})
_PROSECUTOR = frozenset(
    {"прокуратура", "прокурор", "прокурорский", "генпрокуратура", "генпрокурор", "горпрокуратура"}
)
_PRESIDENT = frozenset({"президент"})
_WORD = re.compile(r"[а-яё]+(?:-[а-яё]+)*", re.IGNORECASE)
_PLACEHOLDER = re.compile(r"\[[А-ЯЁ_ ]+\]")
_ADDRESS_OF_NET = re.compile(r"\S*(?:@|://|www\.)\S*")
# A piece of a reply: something with a digit, a word, or the end of a sentence.
_PIECE = re.compile(r"\S*\d\S*|[a-zа-яё]+(?:-[a-zа-яё]+)*|[.!?\n]", re.IGNORECASE)
_NAME_SHARE = 0.5
# «ул.», «г.», «тел.», «им.»: a full stop behind so short a word ends no sentence.
_LONGEST_ABBREVIATION = 3
_MONTHS = word_set("""
    январь февраль март апрель май июнь июль август сентябрь октябрь ноябрь декабрь
    """)


@dataclass(frozen=True)
class TextSignals:
    """One row of `nlp.text_signals` without its keys; tone is not known yet."""

    normalised_text_hash: str | None
    has_court: bool
    has_prosecutor: bool
    has_president: bool


def text_signals(text: str, morphology: Morphology) -> TextSignals:
    """The signals of a text of any length as its source wrote it."""
    plain = clean(text)
    lemmas = {morphology.form(word).lemma for word in _WORD.findall(plain)}
    return TextSignals(
        normalised_text_hash=_digest("".join(filter(str.isalnum, plain.lower().replace("ё", "е")))),
        has_court=not lemmas.isdisjoint(_COURT),
        has_prosecutor=not lemmas.isdisjoint(_PROSECUTOR),
        has_president=not lemmas.isdisjoint(_PRESIDENT),
    )


def skeleton(reply: str, morphology: Morphology) -> str:
    """What stays of a reply when numbers, names and addresses are taken out, as lemmas.

    Taken out is whatever holds a digit, a capital in mid-sentence (names, streets, towns, bodies)
    or a name at the start of a sentence. Two replies from one template have one skeleton, whomever
    and whatever place they speak of; the gender of a greeting does not tell them apart.
    """
    plain = _ADDRESS_OF_NET.sub(" ", _PLACEHOLDER.sub(" ", clean(reply)))
    kept: list[str] = []
    is_start, before = True, ""
    for piece in _PIECE.findall(plain):
        if piece in ".!?\n":
            is_start = is_start or piece != "." or len(before) > _LONGEST_ABBREVIATION
            continue
        before = piece
        if any(char.isdigit() for char in piece):
            is_start = piece[-1] in ".!?"
            continue
        form = morphology.form(piece)
        is_name = (
            max(form.name_share, form.surname_share, form.patronymic_share, form.place_share)
            >= _NAME_SHARE
        )
        is_named = piece[0].isupper() and (not is_start or is_name)
        # A single letter is an initial, or stands for «дом» and «год».
        if not is_named and len(piece) > 1 and form.lemma not in _MONTHS:
            kept.append(form.lemma)
        is_start = False
    return " ".join(kept)


def skeleton_hash(reply: str, morphology: Morphology) -> str | None:
    """Hash of the skeleton; None where too little is left of the reply to compare."""
    return _digest(skeleton(reply, morphology))


def _digest(letters: str) -> str | None:
    return hashlib.sha256(letters.encode()).hexdigest() if len(letters) >= SHORTEST else None
