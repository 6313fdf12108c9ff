"""Personal data with a shape of its own: numbers, addresses and links, found by patterns.

Names of people have no shape; `nlp.components.persons` finds them. When in doubt a pattern masks:
a hidden bus number costs an analyst little, a published telephone costs a citizen much
(152-ФЗ, ст. 7). Houses and streets stay: they are the object of the appeal.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable

PHONE = "[ТЕЛЕФОН]"
EMAIL = "[ПОЧТА]"
LINK = "[ССЫЛКА]"
FLAT = "[КВАРТИРА]"
PASSPORT = "[ПАСПОРТ]"
SNILS = "[СНИЛС]"
CARD = "[КАРТА]"
ACCOUNT = "[СЧЁТ]"
TAX_NUMBER = "[ИНН]"
POLICY = "[ПОЛИС]"
PLATE = "[ГОСНОМЕР]"
BIRTH_DATE = "[ДАТА РОЖДЕНИЯ]"
NUMBER = "[НОМЕР]"
PERSON = "[ИМЯ]"
PLACEHOLDERS = (
    PERSON, PHONE, EMAIL, LINK, FLAT, PASSPORT, SNILS, CARD, ACCOUNT, TAX_NUMBER, POLICY, PLATE,
    BIRTH_DATE, NUMBER,
)  # fmt: skip
KINDS = {
    PERSON: "person", PHONE: "phone", EMAIL: "email", LINK: "link", FLAT: "flat",
    PASSPORT: "passport", SNILS: "snils", CARD: "card", ACCOUNT: "account",
    TAX_NUMBER: "tax_number", POLICY: "policy", PLATE: "plate", BIRTH_DATE: "birth_date",
    NUMBER: "number",
}  # fmt: skip

_FLAGS = re.IGNORECASE
_SEP = r"[\s\-–—.]{0,3}"
_NOT_DIGIT_BEFORE = r"(?<![\d])"
_NOT_DIGIT_AFTER = r"(?!\d)"

_EMAIL = re.compile(
    r"[\w.+\-]+\s?(?:@|\(at\)|\[at\]|\(собака\)|\sсобака\s)\s?[\w\-]+(?:\s?\.\s?[\w\-]+)*"
    r"\.[a-zа-яё]{2,12}(?![a-zа-яё0-9])",
    _FLAGS,
)
_EMAIL_SPACED = re.compile(
    r"[\w.+\-]{2,}\s*@\s*[\w\-]+\s*\.\s*(?:ru|com|рф|net|org|by|ua|kz)\b", _FLAGS
)
_URL = re.compile(r"(?:https?:?//?|www\.)[^\s<>\"»)\]]+", _FLAGS)
_ACCOUNT_HOST = re.compile(
    r"(?<![\w@])(?:m\.)?(?:vk\.com|vk\.ru|vkontakte\.ru|vk\.me|t\.me|telegram\.me|ok\.ru|"
    r"odnoklassniki\.ru|instagram\.com|facebook\.com|fb\.com|wa\.me|youtube\.com|youtu\.be|"
    r"tiktok\.com|twitter\.com|dzen\.ru|my\.mail\.ru|viber\.me|max\.ru)(?:\s?/\s?[^\s<>\"»)\],]+)?",
    _FLAGS,
)
_PATHED_HOST = re.compile(
    r"(?<![\w@.])(?:[a-z0-9\-]+\.)+(?:ru|com|org|net|info|su|рф|me|uk|gov)/[^\s<>\"»)\],]+", _FLAGS
)
_NICK = re.compile(r"(?:(?<![\w.])@[а-яё0-9_]|@[a-z_])[\w.\-]{1,40}", _FLAGS)
_ACCOUNT_ID = re.compile(r"(?<![\w])(?:id|club|public)\s?\d{4,12}(?!\w)", _FLAGS)
_MESSENGER_NICK = re.compile(
    r"(?<!\w)((?:telegram|телеграм+|телега|тг|tg|инстаграм+|инста|instagram|insta|скайп|skype|"
    r"ник|вк|vk|вконтакте)\s*[:\-–—]\s*)([a-z][a-z0-9_.\-]{3,40})",
    _FLAGS,
)

# Exactly eleven digits: a house number behind the telephone must not make it "too long".
_PHONE_FULL = re.compile(
    r"(?<![\d,])(?:\+\s?7|8|7)[\s\-–—.]{0,3}(?:"
    r"\(?\s?\d{3}\s?\)?(?:[\s\-–—.]{0,3}\d){7}|"
    r"\(?\s?\d{4}\s?\)?(?:[\s\-–—.]{0,3}\d){6}|"
    r"\(?\s?\d{5}\s?\)?(?:[\s\-–—.]{0,3}\d){5})(?!\d)"
)
_PHONE_NINE = re.compile(
    r"(?<![\d.,/\-])\(?9\d{2}\)?" + _SEP + r"\d{3}" + _SEP + r"\d{2}" + _SEP + r"\d{2}(?![\d])"
)
_PHONE_FOREIGN = re.compile(r"\+\s?\d(?:[\s\-()]{0,2}\d){8,14}(?!\d)")
_PHONE_AREA = re.compile(r"\(\s?\d{3,5}\s?\)" + r"(?:[\s\-–—]{0,3}\d){5,7}(?!\d)")
_PHONE_CITY = re.compile(
    r"(?<![\d\-–./])(?:\d{3}[-–—]\d{2}[-–—]\d{2}|\d{2}[-–—]\d{2}[-–—]\d{2}|"
    r"\d[-–—]\d{2}[-–—]\d{2}(?:[-–—]\d{2})?|\d{3}[-–—]\d{3}|\d{3}\s\d{2}\s\d{2})(?![\d\-–./])"
)
_PHONE_CUED = re.compile(
    r"(?<!\w)((?:тел|т|моб|сот|сотов\w+|мобильн\w+|телефон\w*|тлф|тф|phone|tel|mobile|call|"
    r"whats\s?app|ватсап\w*|вотсап\w*|вацап\w*|вайбер\w*|viber|номер\s+телефона|номер\s+для\s+связи|"
    r"контактн\w+(?:\s+номер\w*)?|звонит\w+|позвонит\w+|звонил\w*|перезвонит\w+|дозвонит\w+)"
    r"(?:\s+(?:мне|мой|моего|на|по|номер\w*|телефон\w*|нам|сюда|для\s+связи))*\s?[.:№\-–]*\s{0,2})"
    r"(\+?\(?\d(?:[\s\-–—.()]{0,3}\d){4,11})(?!\d)(?!\s*(?:раз|час|дн|мин|год|лет|руб|числ))",
    _FLAGS,
)
_UK_PHONE = re.compile(r"(?<!\d)0\d{2,4}[\s\-]?\d{3,4}[\s\-]?\d{3,4}(?!\d)")

_SNILS = re.compile(r"(?<!\d)\d{3}[\-–—\s]\d{3}[\-–—\s]\d{3}[\-–—\s]{1,2}\d{2}(?!\d)")
_SNILS_CUED = re.compile(
    r"(снилс\w*(?:\s+(?:номер|№|мой|моего|ребенка|ребёнка))*\s?[:№\-–]*\s{0,2})"
    r"(\d(?:[\s\-–—.]{0,2}\d){9,10})(?!\d)",
    _FLAGS,
)
_PASSPORT = re.compile(
    r"(?<![\d\-])\d{2}\s\d{2}\s?(?:№|N|номер)?\s?\d{6}(?!\d)|(?<![\d\-])\d{4}\s?(?:№|N|номер|\s)\s?\d{6}(?!\d)",
    _FLAGS,
)
_PASSPORT_CUED = re.compile(
    r"((?:паспорт\w*|серия|серии)[^\d\n]{0,30})(\d{2}\s?\d{2}(?:[\s,;№Nn\-–]|номер|ном\.?){0,6}\d{6}|\d{10}|\d{6})(?!\d)",
    _FLAGS,
)
_BIRTH_CERTIFICATE = re.compile(r"(?<!\w)[IVXLХ1]{1,4}\s?[-–]\s?[А-ЯЁ]{2}\s?(?:№|N)?\s?\d{6}(?!\d)")
_CARD = re.compile(
    r"(?<!\d)\d{4}[\s\-]\d{4}[\s\-]\d{4}[\s\-]\d{4}(?:[\s\-]\d{2,3})?(?!\d)|(?<!\d)[2456]\d{15}(?!\d)"
)
_CARD_CUED = re.compile(
    r"((?:карт[аыуе]|карточк\w+)[^\d\n]{0,20})(\d(?:[\s\-]?\d){15,18})(?!\d)", _FLAGS
)
_ACCOUNT_20 = re.compile(r"(?<!\d)\d{20}(?!\d)")
_ACCOUNT_CUED = re.compile(
    r"((?:лицев\w+|расч[её]тн\w+|л/с|л\.с\.|р/с|сч[её]т\w*\s*(?:№|номер))[^\d\n]{0,18})(\d[\d\-]{4,22}\d)(?!\d)",
    _FLAGS,
)
_TAX_CUED = re.compile(r"(инн[^\d\n]{0,10})(\d{10}(?:\d{2})?)(?!\d)", _FLAGS)
_POLICY_CUED = re.compile(r"((?:полис\w*|омс)[^\d\n]{0,20})(\d(?:[\s\-]?\d){9,18})(?!\d)", _FLAGS)
_PLATE = re.compile(
    r"(?<![\w])[АВЕКМНОРСТУХABEKMHOPCTYX]\s?\d{3}\s?[АВЕКМНОРСТУХABEKMHOPCTYX]{2}"
    r"(?:\s?\d{2,3}(?:\s?(?:rus|рус))?)?(?!\w)",
    _FLAGS,
)
# Numbers of applications, clients and policies: whoever knows one can ask whose it is.
_LONG_NUMBER = re.compile(r"(?<![\w])\d{9,}(?!\w)")
_BIRTH_DATE = re.compile(
    r"(?<!\d)\d{1,2}[./\-]\d{1,2}[./\-](?:19|20)?\d{2}\s?(?:г\.?\s?р\.?(?!\w)|г(?:ода|\.)?\s?рожд\w+)",
    _FLAGS,
)
_BIRTH_CUED = re.compile(
    r"((?:дата\s+рождения|родил(?:ся|ась|ись)|д\.?\s?р\.?)\s?[:\-–]?\s{0,2})(\d{1,2}[./\-\s]\d{1,2}[./\-\s]\d{2,4})(?!\d)",
    _FLAGS,
)

# «кв. 12», «кв! 31», «кв... 96», «квартира № 12», «кв-ра 12а», «комната 7»; not «кв. м», not
# «3 кв. 2022».
_FLAT = re.compile(
    r"(?<![\w])(?:(?:кв|кв-ра|кв-ре|кв-ры|квр|к-ра)(?:\s?[.:,!?…]){0,3}|квартир[аеыу]|квартирой|"
    r"комнат[аеыу]|комн\.?|flat|apartment|apt\.?)\s*(?:№|N|номер[а-я]*|под\s+номером|no\.?)?\s*"
    r"\d{1,4}(?!\d)(?:\s?[-–/]\s?\d{1,3}|[а-дa-d](?!\w))?(?!\s?(?:кв|год|г\.|м2|м²|метр|квадрат|руб|тыс|человек|раз|лет))",
    _FLAGS,
)
_QUARTER = re.compile(r"кв\.?\s*(?:19|20)\d{2}$", _FLAGS)
_FLAT_AFTER = re.compile(
    r"(?<![\d\w.,\-])\d{1,3}(?:\s?[-–]?\s?(?:й|я|ю|ой|ая|ую))?\s+(?:квартир(?:а|е|у|ой)|кв)(?![\w])"
    r"(?!\s*\.?\s*(?:м|метр|(?:19|20)\d\d))",
    _FLAGS,
)
# «45 квартиры» can only be a number; «3 квартиры» is a count, unless people live there.
_FLAT_GENITIVE = re.compile(
    r"(?<![\d\w.,\-])(?:\d{0,2}(?:1\d|[05-9]|(?<=\d)1)|1)(?:-?(?:й|я|ой|ей))?\s+квартиры(?!\w)"
    r"|(?:(?<=из )|(?<=жильцы )|(?<=жилец )|(?<=жителя )|(?<=жители )|(?<=житель )|(?<=соседи )|"
    r"(?<=сосед )|(?<=хозяин )|(?<=хозяева )|(?<=собственник ))"
    r"\d{1,3}(?:-?(?:й|я|ой|ей))?\s+квартиры(?!\w)",
    _FLAGS,
)
# A house and a flat joined by a hyphen: «ул. Ленина, 12-45», «Ленина 12а-45», «д. 12 - 45».
_HOUSE_FLAT = re.compile(
    r"((?:(?<!\w)(?:ул|пр|пр-т|пр-кт|пер|б-р|ш|мкр|д|дом|дома|доме|улиц[аеыу]|проспект\w*|переул\w+|"
    r"проезд\w*|бульвар\w*|площад\w+|шоссе|адрес\w*)[.:,]?\s*(?:[\w.\-]+[\s,.]+){0,4}?)|"
    r"(?:(?<!\w)[А-ЯЁ][а-яё]+(?:[ая]|ой|ого|ых|их|ы|и|ва|ко)[\s,]+(?:д\.?\s?|дом\s)?))"
    r"(\d{1,3}\s?[а-яА-Яa-zA-Z]?(?:/\d{1,3}[а-яА-Я]?)?)\s?([-–—])\s?(\d{1,3})(?![\d\w.,/\-–—]*\d)"
    r"(?!\s*[-–]?\s*(?:го|й|ый|ой|ю|я|ая|летн|лет|год|числ|раз|час|мин|дн|сут|кл|этаж|мм|см|км|м\b|руб|тыс|%|градус|января|феврал|март|апрел|ма[йя]|июн|июл|август|сентябр|октябр|ноябр|декабр))"
)

Counts = Counter[str]


def _whole(placeholder: str, counts: Counts) -> Callable[[re.Match[str]], str]:
    def replace(_: re.Match[str]) -> str:
        counts[KINDS[placeholder]] += 1
        return placeholder

    return replace


def _after_cue(placeholder: str, counts: Counts) -> Callable[[re.Match[str]], str]:
    def replace(match: re.Match[str]) -> str:
        counts[KINDS[placeholder]] += 1
        return match.group(1) + placeholder

    return replace


def mask_patterns(text: str) -> tuple[str, Counts]:
    """The cleaned text with typed placeholders, and how many of each kind were put in."""
    counts: Counts = Counter()
    if PERSON in text:
        counts["person"] += text.count(PERSON)
    if LINK in text:
        counts["link"] += text.count(LINK)

    if "@" in text or "собака" in text or "(at)" in text or "[at]" in text:
        text = _EMAIL.sub(_whole(EMAIL, counts), text)
        text = _EMAIL_SPACED.sub(_whole(EMAIL, counts), text)
        text = _NICK.sub(_whole(LINK, counts), text)
    if "." in text or "//" in text:
        for pattern in (_URL, _ACCOUNT_HOST, _PATHED_HOST):
            text = pattern.sub(_whole(LINK, counts), text)
    text = _ACCOUNT_ID.sub(_whole(LINK, counts), text)
    text = _MESSENGER_NICK.sub(_after_cue(LINK, counts), text)
    if not any(char.isdigit() for char in text):
        return text, counts

    text = _SNILS_CUED.sub(_after_cue(SNILS, counts), text)
    text = _CARD_CUED.sub(_after_cue(CARD, counts), text)
    text = _POLICY_CUED.sub(_after_cue(POLICY, counts), text)
    text = _TAX_CUED.sub(_after_cue(TAX_NUMBER, counts), text)
    text = _ACCOUNT_20.sub(_whole(ACCOUNT, counts), text)
    text = _ACCOUNT_CUED.sub(_after_cue(ACCOUNT, counts), text)
    text = _PASSPORT_CUED.sub(_after_cue(PASSPORT, counts), text)
    text = _BIRTH_CERTIFICATE.sub(_whole(PASSPORT, counts), text)
    text = _CARD.sub(_whole(CARD, counts), text)
    text = _PHONE_FULL.sub(_whole(PHONE, counts), text)
    text = _SNILS.sub(_whole(SNILS, counts), text)
    text = _PHONE_FOREIGN.sub(_whole(PHONE, counts), text)
    text = _PHONE_NINE.sub(_whole(PHONE, counts), text)
    text = _PASSPORT.sub(_whole(PASSPORT, counts), text)
    text = _BIRTH_DATE.sub(_whole(BIRTH_DATE, counts), text)
    text = _BIRTH_CUED.sub(_after_cue(BIRTH_DATE, counts), text)
    text = _PHONE_CUED.sub(_after_cue(PHONE, counts), text)
    text = _PHONE_AREA.sub(_whole(PHONE, counts), text)
    text = _FLAT.sub(_flat_or_quarter(counts), text)
    text = _FLAT_AFTER.sub(_whole(FLAT, counts), text)
    text = _FLAT_GENITIVE.sub(_whole(FLAT, counts), text)
    text = _HOUSE_FLAT.sub(_keep_house(counts), text)
    text = _PHONE_CITY.sub(_whole(PHONE, counts), text)
    text = _UK_PHONE.sub(_whole(PHONE, counts), text)
    text = _PLATE.sub(_whole(PLATE, counts), text)
    text = _LONG_NUMBER.sub(_whole(NUMBER, counts), text)
    return text, counts


def _flat_or_quarter(counts: Counts) -> Callable[[re.Match[str]], str]:
    def replace(match: re.Match[str]) -> str:
        if _QUARTER.search(match.group()):
            return match.group()
        counts["flat"] += 1
        return FLAT

    return replace


def _keep_house(counts: Counts) -> Callable[[re.Match[str]], str]:
    def replace(match: re.Match[str]) -> str:
        counts["flat"] += 1
        return f"{match.group(1)}{match.group(2)}{match.group(3)}{FLAT}"

    return replace
