"""Names of people: found by the network, by morphology and by context; masked when in doubt.

Streets and institutions named after people stay («ул. Ленина», «школа имени Гагарина»), for they
say where the problem is. Holders of office are masked like everybody else: the text of an appeal
does not say reliably whether a name belongs to an office or to a neighbour.
"""

from __future__ import annotations

import re
from collections import Counter

from spacy.language import Language
from spacy.tokens import Doc, Token

from nlp.morphology import Form, first_names, surnames
from nlp.name_lists import (
    AMBIGUOUS_NAMES,
    CITY_MARKERS,
    COMPLAINT_WORDS,
    CUES,
    ENGLISH_CUES,
    EPONYM_PAIRS,
    EPONYMS,
    LATIN_NAMES,
    NEVER_NAMES,
    NOT_INITIALS,
    PLACE_PREPOSITIONS,
    RANKS,
    SIGNATURE_CUE,
    STREET_AFTER,
    STREET_MARKERS,
    STRONG_CUES,
    WEAK_EPONYMS,
    word_set,
)
from nlp.personal_patterns import EMAIL, PERSON, PHONE

_SURNAME_ENDING = re.compile(
    r"(?:[оеё]в|ин|ын)(?:а|у|ым|е|ой|ою|ы|ых|ыми)?$|(?:ск|цк)(?:ий|ая|ого|ому|им|ой|ую|ом|ие|их)$"
    r"|енко$|(?:чук|ян|дзе)(?:а|у|ом|е)?$|швили$|(?:ец|юк|як|ук)(?:а|у|ом|е)?$"
)
_LATIN_SURNAME = re.compile(
    r"^[A-Z][a-z]{2,}(?:ov|ova|ev|eva|yov|in|ina|yn|sky|skiy|skaya|skaia|enko|chuk|uk|yan|dze|shvili)$"
)
_LATIN_PATRONYMIC = re.compile(r"^[A-Z][a-z]{2,}(?:ovich|evich|ovna|evna|ichna|yevich)$")
_PATRONYMIC_ENDING = re.compile(
    r"(?:[оеё]вич|ьич|[оеё]вн|ичн|иничн)(?:а|у|ем|ом|е|ой|ы|и|ей)?$|(?:[оеё]вич|ьич)$"
    r"|(?:[аыиь]лыч|[аыи]ныч|[её]дорыч|алыч|аныч)(?:а|у|ем|е)?$"
)
_STREET_ENDINGS = ("а", "я", "ы", "и", "й", "о", "их", "ых")
_HOUSE_AFTER = re.compile(r"\d{1,3}$")
_NOT_HOUSE = word_set("""
    января февраля марта апреля мая июня июля августа сентября октября ноября декабря число
    числа лет год года раз раза час часов часа дня дней минут руб рублей человек км этаж курс
    класс ребёнка ребенка детей
    """)
_ENDS = frozenset(".!?…\n:;")


def _is_title(text: str) -> bool:
    return len(text) > 1 and text[0].isupper() and (text[1:].islower() or "-" in text)


def _is_caps(text: str) -> bool:
    return len(text) > 3 and text.isupper()


def _is_cyrillic(text: str) -> bool:
    return "а" <= text[-1].lower() <= "я" or text[-1].lower() == "ё"


class PersonMasker:
    """Marks tokens that belong to a person's name and writes `doc._.masked_text`."""

    def __call__(self, doc: Doc) -> Doc:
        flags = self.find(doc)
        doc._.person_token_flags = flags
        doc._.masked_text = _render(doc, flags)
        counts: Counter[str] = Counter(doc._.pattern_counts or {})
        counts["person"] += sum(
            1 for i, flag in enumerate(flags) if flag and (i == 0 or not flags[i - 1])
        )
        doc._.personal_data = {kind: number for kind, number in counts.items() if number}
        return doc

    def find(self, doc: Doc) -> list[bool]:
        """One flag per token: True where it belongs to the name of a person."""
        size = len(doc)
        flags = [False] * size
        if not size:
            return flags
        words: list[str] = doc._.words
        lows = [word.lower() for word in words]
        forms: list[Form | None] = doc._.forms
        places = _street_flags(words, lows, forms)
        for i in doc._.town_tokens:
            places[i] = True
        title = [_is_title(w) or _is_caps(w) for w in words]
        _unset_signed(words, lows, title, places)

        def surname_like(i: int, *, beside_name: bool) -> bool:
            """Could token i be a surname? Beside a first name much less is asked of it."""
            form = forms[i]
            if form is None or places[i] or _is_never(lows[i], form) or len(words[i]) < 2:
                return False
            if form.surname_share >= (0.02 if beside_name and title[i] else 0.45):
                return True
            if lows[i] in surnames() or form.lemma in surnames():
                if beside_name and (title[i] or not form.is_known):
                    return True
                if not form.is_known and (title[i] or bool(_SURNAME_ENDING.search(lows[i]))):
                    return True
            if not beside_name:
                return False
            if title[i]:
                return (
                    not form.is_known
                    or bool(_SURNAME_ENDING.search(lows[i]))
                    or (form.part in {"NOUN", "ADJF"} and i > 0 and not _starts(words, i))
                )
            return not form.is_known and bool(_SURNAME_ENDING.search(lows[i]))

        def first_name(i: int) -> bool:
            """Is token i a first name by itself?"""
            form = forms[i]
            if form is None or places[i] or lows[i] in NEVER_NAMES:
                return False
            if form.name_share < 0.1 and not (
                lows[i] in first_names() and not form.is_known and title[i]
            ):
                return False
            if lows[i] in AMBIGUOUS_NAMES or form.lemma in AMBIGUOUS_NAMES:
                return title[i] and not _starts(words, i) and len(words[i]) > 2
            if title[i]:
                return form.name_share >= 0.3 or not _starts(words, i)
            return form.name_share >= 0.75 and len(words[i]) > 2

        def patronymic(i: int) -> bool:
            form = forms[i]
            if form is None or places[i]:
                return False
            if form.patronymic_share >= (0.2 if title[i] else 0.5):
                return True
            return title[i] and not form.is_known and bool(_PATRONYMIC_ENDING.search(lows[i]))

        for i in range(size):
            if patronymic(i):
                flags[i] = True
                _extend_beside_patronymic(i, flags, words, title, forms, places, surname_like)
            elif first_name(i):
                flags[i] = True
        # Weak first names count beside a surname, a patronymic or another name.
        for i in range(size):
            form = forms[i]
            if flags[i] or form is None or places[i] or form.name_share < 0.05:
                continue
            if not title[i] and form.part in {"VERB", "INFN", "ADVB", "PREP", "CONJ", "NPRO"}:
                continue
            for j in (i - 1, i + 1):
                if (
                    0 <= j < size
                    and forms[j] is not None
                    and not places[j]
                    and (
                        flags[j]
                        or ((title[j] or not title[i]) and (forms[j] or form).surname_share >= 0.45)
                    )
                ):
                    flags[i] = True
        # Surnames beside first names and patronymics.
        named = list(flags)
        for i in range(size):
            if not named[i]:
                continue
            for step in (-1, 1):
                j = i + step
                if 0 <= j < size and not flags[j] and surname_like(j, beside_name=True):
                    if step == 1 and _starts(words, j):
                        continue
                    flags[j] = True
                    k = j + step
                    if (
                        0 <= k < size
                        and not flags[k]
                        and title[k]
                        and (
                            patronymic(k)
                            or (
                                forms[k] is not None
                                and (forms[k] or _NO).surname_share >= 0.45
                                and not places[k]
                            )
                        )
                    ):
                        flags[k] = True
        self._initials(words, lows, forms, title, places, flags)
        self._cues(words, lows, forms, title, places, flags, surname_like)
        for i in range(size):
            if not flags[i] and title[i] and surname_like(i, beside_name=False):
                if _starts(words, i) and (forms[i] or _NO).common_share > 0.15:
                    continue
                flags[i] = not _is_place_use(i, words, lows, forms, flags)
        self._network(doc, words, lows, forms, title, places, flags)
        self._latin(words, lows, flags, title)
        self._signatures(words, lows, forms, title, places, flags)
        self._birth_dates(words, flags)
        # The particle between two parts of one name: «Иванова (Петрова) Анна», «Иванов-Петров».
        for i in range(1, size - 1):
            if not flags[i] and words[i] in {"-", "–"} and flags[i - 1] and flags[i + 1]:
                flags[i] = True
        return flags

    @staticmethod
    def _signatures(
        words: list[str],
        lows: list[str],
        forms: list[Form | None],
        title: list[bool],
        places: list[bool],
        flags: list[bool],
    ) -> None:
        """A surname directly beside what is masked, and «Уварова Л. П., тел. …» in any place."""
        masked = [flag or word == PERSON for flag, word in zip(flags, words, strict=True)]
        size = len(words)
        for i in range(size):
            form = forms[i]
            if form is None or masked[i] or not title[i] or _is_never(lows[i], form):
                continue
            if places[i]:
                # Even after the word for a street: initials and a telephone are a signature.
                end = i + 1
                while end < size and (_is_initial(words[end]) or words[end] in {".", PERSON}):
                    end += 1
                named = any(_is_initial(word) or word == PERSON for word in words[i + 1 : end])
                if named and not {PHONE, EMAIL}.isdisjoint(words[end : end + 6]):
                    flags[i:end] = [word != PERSON for word in words[i:end]]
                continue
            is_surname = form.surname_share >= 0.3 or (
                (not form.is_known or lows[i] in surnames())
                and bool(_SURNAME_ENDING.search(lows[i]))
            )
            after = i + 1 < size and masked[i + 1]
            # A full stop before may be that of an initial, behind the placeholder.
            before = i > 0 and masked[i - 1] and not _starts(words, i)
            if is_surname and (before or after):
                flags[i] = True

    @staticmethod
    def _birth_dates(words: list[str], flags: list[bool]) -> None:
        """A full date right after a name tells a birthday: «Иванова Анна, 01.02.1990»."""
        size = len(words)
        for i in range(size - 5):
            if not flags[i] or flags[i + 1]:
                continue
            j = i + 1
            while j < size and words[j] in {",", "(", "-", "–", "\n", "."}:
                j += 1
            date = words[j : j + 5]
            if (
                len(date) == 5
                and date[1] == date[3]
                and date[1] in {".", "/", "-"}
                and (
                    date[0].isdigit()
                    and date[2].isdigit()
                    and date[4].isdigit()
                    and len(date[4]) == 4
                )
            ):
                for k in range(i + 1, j + 5):
                    flags[k] = True

    @staticmethod
    def _initials(
        words: list[str],
        lows: list[str],
        forms: list[Form | None],
        title: list[bool],
        places: list[bool],
        flags: list[bool],
    ) -> None:
        """«Иванова А. Б.», «А.Б. Иванов», «Иванов АБ», «иванов а.б.»."""
        size = len(words)

        def surname(i: int) -> bool:
            form = forms[i]
            if form is None or places[i] or len(words[i]) < 2 or _is_never(lows[i], form):
                return False
            if form.surname_share >= 0.02 or lows[i] in surnames() or flags[i]:
                return True
            return title[i] and (
                not form.is_known
                or bool(_SURNAME_ENDING.search(lows[i]))
                or form.part in {"NOUN", "ADJF", "ADJS"}
            )

        def initials(i: int) -> int:
            """Number of tokens from i that are initials; 0 if none."""
            if i < 0 or i >= size:
                return 0
            word = words[i]
            if len(word) == 1 and word.isalpha() and _is_cyrillic(word):
                if (
                    i + 3 < size
                    and words[i + 1] == "."
                    and len(words[i + 2]) == 1
                    and (words[i + 2].isalpha())
                    and words[i + 3] == "."
                ):
                    return 4
                if (
                    i + 2 < size
                    and words[i + 1] == "."
                    and len(words[i + 2]) == 1
                    and (words[i + 2].isupper() and words[i + 2].isalpha())
                ):
                    return 3
                if (
                    word.isupper()
                    and i + 1 < size
                    and len(words[i + 1]) == 1
                    and (words[i + 1].isupper() and words[i + 1].isalpha())
                ):
                    return 3 if i + 2 < size and words[i + 2] == "." else 2
                if word.isupper() and i + 1 < size and words[i + 1] == ".":
                    return 2
                if word.isupper() and lows[i] not in {"я", "а", "в", "и", "к", "о", "с", "у"}:
                    return 1
            elif (
                len(word) == 2
                and word.isupper()
                and word.isalpha()
                and _is_cyrillic(word)
                and (lows[i] not in NOT_INITIALS)
            ):
                return 2 if i + 1 < size and words[i + 1] == "." else 1
            return 0

        for i in range(size):
            length = initials(i)
            if not length:
                continue
            before, after = i - 1, i + length
            two = length >= 3 or (length == 2 and words[i + 1] != ".") or len(words[i]) == 2
            strong = two and len(words[i]) == 1
            # «Обещание В.В. Егорова»: an everyday word before yields to a surname after.
            if (
                after < size
                and title[after]
                and before >= 0
                and not flags[before]
                and (
                    (forms[before] or _NO).is_known
                    and not (forms[before] or _NO).surname_share
                    and (forms[after] or _NO).surname_share + (not (forms[after] or _NO).is_known)
                    > 0.02
                )
            ):
                before = -1
            if (
                before >= 0
                and not places[before]
                and surname(before)
                and (
                    strong
                    or (title[before] and (forms[before] or _NO).surname_share >= 0.02)
                    or flags[before]
                )
                and (words[i].isupper() or (forms[before] or _NO).surname_share >= 0.3)
            ):
                for j in range(before, after):
                    flags[j] = True
            elif (
                after < size
                and not places[after]
                and title[after]
                and surname(after)
                and (strong or (forms[after] or _NO).surname_share >= 0.02)
                and words[i].isupper()
                and not (i > 0 and lows[i - 1] in STREET_MARKERS)
            ):
                for j in range(i, after + 1):
                    flags[j] = True

    @staticmethod
    def _cues(
        words: list[str],
        lows: list[str],
        forms: list[Form | None],
        title: list[bool],
        places: list[bool],
        flags: list[bool],
        surname_like: object,
    ) -> None:
        """A word that announces a name: «врач Сидорова», «меня зовут …», «ИП Кузьмина»."""
        size = len(words)
        for i in range(size):
            lemma = (forms[i] or _NO).lemma
            is_strong = lows[i] in STRONG_CUES or lemma in STRONG_CUES
            is_english = lows[i] in ENGLISH_CUES
            is_signed = lows[i] == SIGNATURE_CUE
            if not (is_strong or is_english or lemma in CUES or lows[i] in CUES):
                continue
            j = i + 1
            while j < size and (
                words[j] in {":", "-", "–", "—", "«", '"', "№", "."}
                or (words[j] == "," and (is_english or is_signed))
                or (words[j] == "\n" and is_signed)
            ):
                if words[j] == "." and words[i].lower() not in {
                    "гр",
                    "dr",
                    "mr",
                    "mrs",
                    "ms",
                    "зам",
                    "г-н",
                }:
                    j = size
                j += 1
            taken = 0
            while j < size and taken < 3:
                form = forms[j] or _NO
                if forms[j] is None or places[j] or lows[j] in NEVER_NAMES:
                    break
                if is_signed and _is_never(lows[j], form):
                    break
                if is_english and words[j][0].isascii():
                    accepted = title[j] and lows[j] not in NEVER_NAMES
                elif title[j]:
                    accepted = (
                        form.surname_share >= 0.02
                        or form.name_share >= 0.05
                        or form.patronymic_share > 0
                        or not form.is_known
                        or (is_strong and not is_signed and form.part in {"NOUN", "ADJF"})
                        # Nobody signs with a town: «София».
                        or (is_signed and form.place_share > 0)
                        or flags[j]
                    )
                    if form.place_share > 0.3 and form.surname_share < 0.3 and not is_strong:
                        accepted = False
                else:
                    accepted = (
                        form.surname_share >= 0.45
                        or flags[j]
                        or (form.name_share >= 0.3 and lows[j] not in AMBIGUOUS_NAMES)
                        or (not form.is_known and lows[j] in surnames())
                        or (
                            is_strong
                            and taken < 2
                            and (form.name_share >= 0.1 or form.surname_share >= 0.1)
                        )
                    )
                if not accepted:
                    break
                flags[j] = True
                taken += 1
                j += 1

    @staticmethod
    def _network(
        doc: Doc,
        words: list[str],
        lows: list[str],
        forms: list[Form | None],
        title: list[bool],
        places: list[bool],
        flags: list[bool],
    ) -> None:
        """Spans that slovnet calls people, unless they are used as a street or a place."""
        for span in doc.ents:
            if span.label_ != "PER":
                continue
            for i in range(span.start, span.end):
                form = forms[i]
                if form is None or places[i] or flags[i] or _is_never(lows[i], form):
                    continue
                if span.end - span.start == 1:
                    if not title[i]:
                        continue
                    if _starts(words, i) and form.common_share > 0.15 and form.name_share < 0.3:
                        continue
                    if (
                        words[i].isupper()
                        and not form.is_known
                        and (form.surname_share < 0.45 and not _SURNAME_ENDING.search(lows[i]))
                    ):
                        continue  # an abbreviation: «ЕДДС»
                    if form.is_known and not (
                        form.surname_share > 0.01
                        or form.name_share > 0.01
                        or form.patronymic_share > 0
                    ):
                        continue
                    if _is_place_use(i, words, lows, forms, flags):
                        continue
                elif (
                    not title[i]
                    and len(words[i]) > 1
                    and form.is_known
                    and (form.surname_share + form.name_share < 0.1)
                ):
                    continue
                flags[i] = True

    @staticmethod
    def _latin(words: list[str], lows: list[str], flags: list[bool], title: list[bool]) -> None:
        """Names in Latin letters: transliterated Russian ones and common English ones."""
        size = len(words)
        for i in range(size):
            word = words[i]
            if not word[0].isascii() or not word[0].isalpha():
                continue
            known = lows[i] in LATIN_NAMES
            if known and (title[i] or lows[i] not in AMBIGUOUS_NAMES):
                flags[i] = True
                for j in (i + 1, i - 1):
                    if (
                        0 <= j < size
                        and words[j][0].isascii()
                        and words[j][0].isalpha()
                        and (
                            (title[j] and lows[j] not in NEVER_NAMES)
                            or (
                                _LATIN_SURNAME.match(words[j].capitalize())
                                and lows[j] not in NEVER_NAMES
                            )
                        )
                    ):
                        if j == i - 1 and not _LATIN_SURNAME.match(words[j]):
                            continue
                        flags[j] = True
            elif _LATIN_PATRONYMIC.match(word):
                flags[i] = True
            elif (
                _LATIN_SURNAME.match(word)
                and i + 1 < size
                and words[i + 1][:1].isupper()
                and (words[i + 1].isascii() and words[i + 1].isalpha() and len(words[i + 1]) == 1)
            ):
                flags[i] = flags[i + 1] = True


_NO = Form("", "", False, 0.0, 0.0, 0.0, 0.0, 0.0, False, False, False)


def _is_never(low: str, form: Form) -> bool:
    """Words that no rule takes for a name: greetings, towns, offices and kinship."""
    return low in NEVER_NAMES or (form.lemma in CUES and form.surname_share < 0.3)


def _is_initial(word: str) -> bool:
    return len(word) == 1 and word.isupper() and _is_cyrillic(word)


def _starts(words: list[str], i: int) -> bool:
    """Does token i begin a sentence?"""
    j = i - 1
    while j >= 0 and words[j] in {'"', "«", "(", "-", "–", "—", "*"}:
        j -= 1
    if j < 0 or words[j] in {"!", "?", "…", "\n"}:
        return True
    return words[j] == "." and not (j > 0 and len(words[j - 1]) <= 2)


def _extend_beside_patronymic(
    i: int,
    flags: list[bool],
    words: list[str],
    title: list[bool],
    forms: list[Form | None],
    places: list[bool],
    surname_like: object,
) -> None:
    """The word before a patronymic is a first name, whatever the dictionary says."""
    j = i - 1
    if j >= 0 and forms[j] is not None and not places[j]:
        form = forms[j] or _NO
        if (
            (title[j] and words[j].lower() not in NEVER_NAMES)
            or form.name_share >= 0.02
            or (not form.is_known and form.part == "NOUN")
        ):
            flags[j] = True


def _is_place_use(
    i: int, words: list[str], lows: list[str], forms: list[Form | None], flags: list[bool]
) -> bool:
    """Is a surname at i used as a street without its marker: «на Никонова 14», «по Ленина»?"""
    form = forms[i] or _NO
    size = len(words)
    ends_like_street = lows[i][-2:] in {
        "ва",
        "на",
        "ой",
        "го",
        "ых",
        "их",
        "ая",
        "та",
        "ла",
        "ра",
        "ца",
        "ка",
        "за",
        "са",
        "ша",
        "да",
    } or (lows[i][-1] in "аяыийо")
    if (i + 1 < size and flags[i + 1]) or (i > 0 and flags[i - 1]):
        return False
    if lows[i] in EPONYMS and lows[i] not in WEAK_EPONYMS:
        return True
    after = i + 1
    if after < size and words[after] in {",", "д", "дом"}:
        after += 1
        while after < size and words[after] in {".", "д", "дом", ","}:
            after += 1
    if ends_like_street and after < size and _HOUSE_AFTER.match(words[after]):
        following = lows[after + 1] if after + 1 < size else ""
        if following not in _NOT_HOUSE:
            return True
    if not ends_like_street or i == 0:
        return False
    before = lows[i - 1]
    earlier = {(forms[j] or _NO).lemma for j in range(max(0, i - 4), i - 1)}
    if before in {"на", "по"}:
        if form.surname_share and not form.is_genitive_surname and before == "по":
            return False
        return not earlier & COMPLAINT_WORDS
    if before == "и" and i > 2 and lows[i - 2] in EPONYMS:
        return True
    return before in PLACE_PREPOSITIONS and lows[i] in EPONYMS


def _street_flags(words: list[str], lows: list[str], forms: list[Form | None]) -> list[bool]:
    """True for the words of a street's, town's or institution's name: never a person."""
    size = len(words)
    flags = [False] * size
    for i in range(size):
        low = lows[i]
        lemma = (forms[i] or _NO).lemma
        if i + 1 < size and (low, lows[i + 1]) in EPONYM_PAIRS:
            flags[i] = flags[i + 1] = True
        if low in STREET_MARKERS or lemma in STREET_MARKERS:
            j = i + 1
            if low == "с" and not (j < size and words[j] == "."):
                continue  # the preposition
            if low == "г" and i > 0 and words[i - 1].isdigit():
                continue  # the year
            if j < size and words[j] == ".":
                if len(low) > 4 and (forms[i] or _NO).is_known:
                    continue  # no abbreviation: the sentence ends, «… наш переулок. Уварова Л.»
                j += 1
            elif len(low) <= 2 and (j >= size or not words[j][0].isupper()):
                continue  # «г», «п», «д» without a full stop: only before a capital
            if low in CITY_MARKERS and len(low) == 1 and i > 0 and len(words[i - 1]) == 1:
                continue
            while j < size and words[j] in {'"', "«", "."}:
                j += 1
            _chain(j, words, lows, forms, flags)
        if low in STREET_AFTER or lemma in STREET_AFTER:
            j = i - 1
            while j >= 0 and i - j <= 2 and words[j][0].isupper() and forms[j] is not None:
                form = forms[j] or _NO
                if form.patronymic_share > 0.3 or (
                    form.is_nominative_name and not form.is_genitive_name and not form.surname_share
                ):
                    break
                flags[j] = True
                j -= 1
    return flags


def _unset_signed(words: list[str], lows: list[str], title: list[bool], places: list[bool]) -> None:
    """Behind «С уважением» stands no town: «Уварова Лидия» is nobody from Уварово."""
    size = len(words)
    for i, low in enumerate(lows):
        if low != SIGNATURE_CUE:
            continue
        j = i + 1
        while j < size and words[j] in {",", ":", ".", "!", "-", "–", "—", "\n"}:
            j += 1
        while j < size and title[j]:
            places[j] = False
            j += 1


def _chain(
    j: int, words: list[str], lows: list[str], forms: list[Form | None], flags: list[bool]
) -> None:
    """Marks the name after a street marker: «генерала Карбышева», «Карла Маркса», «50 лет»."""
    size = len(words)
    while j < size and (
        lows[j] in RANKS
        or words[j].isdigit()
        or words[j] in {"-", "–"}
        or lows[j] in {"летия", "лет", "й", "я", "го"}
    ):
        flags[j] = True
        j += 1
    # Initials of an eponym: «ул. К. Маркса», «ул. Ю.А. Гагарина».
    while j + 1 < size and len(words[j]) == 1 and words[j].isupper() and words[j + 1] == ".":
        flags[j] = True
        j += 2
    if j >= size or forms[j] is None:
        return
    if (
        not words[j][0].isupper()
        and (forms[j] or _NO).surname_share < 0.2
        and lows[j] not in EPONYMS
    ):
        return
    form = forms[j] or _NO
    if form.name_share >= 0.5 and form.is_nominative_name and not form.is_genitive_name:
        return  # «на улице Иван Петров …»: a person stands there
    flags[j] = True
    if (
        form.name_share >= 0.2
        and j + 1 < size
        and forms[j + 1] is not None
        and (form.is_genitive_name or not form.is_nominative_name)
    ):
        following = forms[j + 1] or _NO
        if following.patronymic_share < 0.2 and (
            words[j + 1][0].isupper() or following.surname_share >= 0.45
        ):
            flags[j + 1] = True
    elif (
        j + 1 < size
        and form.part == "ADJF"
        and words[j + 1][0].isupper()
        and forms[j + 1] is not None
    ):
        following = forms[j + 1] or _NO
        if not (
            following.name_share or following.patronymic_share or following.surname_share > 0.5
        ):
            flags[j + 1] = True


def _render(doc: Doc, flags: list[bool]) -> str:
    """The text with one placeholder for every run of name tokens."""
    if not any(flags):
        return str(doc.text).strip()
    parts: list[str] = []
    size = len(doc)
    i = 0
    while i < size:
        token: Token = doc[i]
        if not flags[i]:
            parts.append(token.text_with_ws)
            i += 1
            continue
        end = i
        while end + 1 < size and (
            flags[end + 1]
            or (doc[end + 1].text in {".", "-"} and end + 2 < size and flags[end + 2])
        ):
            end += 1
        parts.append(PERSON + doc[end].whitespace_)
        i = end + 1
    return "".join(parts).strip()


@Language.factory("tsur_persons")
def create_persons(nlp: Language, name: str) -> PersonMasker:
    """Factory of the masker."""
    return PersonMasker()
