"""Personal data never survives; streets, places and everyday words do."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.language import Language

from nlp.evaluate import SENTENCES, evaluate_masking
from nlp.personal_patterns import mask_patterns


def masked(pipeline: Language, text: str) -> str:
    return str(pipeline(text)._.masked_text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Звоните 8 (342) 212-34-56 днём", "Звоните [ТЕЛЕФОН] днём"),
        ("Мой номер +7 912 345-67-89.", "Мой номер [ТЕЛЕФОН]."),
        ("Эл. почта: user1@example.ru_x000D_", "Эл. почта: [ПОЧТА]"),
        ("заявление 1234567890 подано", "заявление [НОМЕР] подано"),
        ("#вопрос@glava нет ответа", "#вопрос[ССЫЛКА] нет ответа"),
        ("звоните 89000000001 1 Мая дом 1", "звоните [ТЕЛЕФОН] 1 Мая дом 1"),
        ("Почта petrov_77@yandex.ru, жду", "Почта [ПОЧТА], жду"),
        ("Страница vk.com/id123456789 моя", "Страница [ССЫЛКА] моя"),
        ("Канал t.me/dvor молчит", "Канал [ССЫЛКА] молчит"),
        ("Пишите @maria_iv сюда", "Пишите [ССЫЛКА] сюда"),
        ("СНИЛС 112-233-445 95 указан", "СНИЛС [СНИЛС] указан"),
        ("паспорт 4510 123456 выдан", "паспорт [ПАСПОРТ] выдан"),
        ("ул. Мира, д. 5, кв. 12, холодно", "ул. Мира, д. 5, [КВАРТИРА], холодно"),
        ("ул. Мира, д. 5, кв! 31, холодно", "ул. Мира, д. 5, [КВАРТИРА], холодно"),
        ("ул. Мира, д. 5, кв... 96, холодно", "ул. Мира, д. 5, [КВАРТИРА], холодно"),
        ("ул. Мира, д. 5, кв ,31, холодно", "ул. Мира, д. 5, [КВАРТИРА], холодно"),
        ("ул. Мира, д. 5, кв?.. 7, холодно", "ул. Мира, д. 5, [КВАРТИРА], холодно"),
        ("ул. Мира, 12-45, холодно", "ул. Мира, 12-[КВАРТИРА], холодно"),
        ("карта 2202 2012 3456 7890 пуста", "карта [КАРТА] пуста"),
        ("машина А123ВС59 на газоне", "машина [ГОСНОМЕР] на газоне"),
    ],
)
def test_data_with_a_shape_gives_way_to_a_typed_placeholder(
    pipeline: Language, text: str, expected: str
) -> None:
    assert masked(pipeline, text) == expected


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("Я, Иванова Мария Петровна, прошу помощи.", "Иванова Мария Петровна"),
        ("Приём вела Молчанова Н.В. и опоздала.", "Молчанова Н.В."),
        ("Документы у Елены Викторовны Зайцевой.", "Елены Викторовны Зайцевой"),
        ("мой сосед василий петров сжигает мусор", "василий петров"),
        ("Прошу убрать снег. С уважением, София.", "София"),
        ("Прошу убрать снег. С уважением, Уварова Лидия.", "Уварова"),
        ("Прошу убрать снег. С уважением, Кирова", "Кирова"),
        ("Ответил Sergey Volkov из мэрии.", "Sergey Volkov"),
        ("Губернатор Махонин обещал дорогу.", "Махонин"),
        ("Министр Крутень отвечала вчера.", "Крутень"),
        ("[id5501|Катя], согласна с вами", "Катя"),
        ("Жалоба на Петрова из первого подъезда.", "Петрова"),
        ("Собственник Соловьёв-Седой Илья умер.", "Соловьёв-Седой Илья"),
        ("Сафина Диляра, 30.06.1990, ждёт пособие", "Сафина Диляра, 30.06.1990"),
    ],
)
def test_names_of_people_are_masked_in_every_form(
    pipeline: Language, text: str, hidden: str
) -> None:
    result = masked(pipeline, text)
    assert "[ИМЯ]" in result
    for word in re.findall(r"\w{2,}", hidden):
        assert word not in result


@pytest.mark.parametrize(
    "text",
    [
        "Почините наш переулок. Уварова Л.П., тел. 8 912 345-67-89",
        "Во дворе яма, 2-й пр. Уварова Л.П., тел. 8 912 345-67-89",
        "Соседний район Уварова Л. П., почта uvarova@mail.ru",
        "Ждём ответа. Уварова [ИМЯ]., тел. 8 912 345-67-89",
        "Ждём ответа. [ИМЯ] Уварова, тел. 8 912 345-67-89",
    ],
)
def test_the_surname_of_a_signature_goes_with_the_rest_of_the_name(
    pipeline: Language, text: str
) -> None:
    result = masked(pipeline, text)
    assert "Уваров" not in result
    assert "[ИМЯ]" in result


@pytest.mark.parametrize(
    "text",
    [
        "Уберите снег. С уважением, Жители дома 5",
        "Уберите снег. С уважением, Администрация ТСЖ",
        "ул. Ленина Д. 5, тел. [ТЕЛЕФОН]",
        "Яма на пр. Уварова, 5, тел. [ТЕЛЕФОН]",
        "Улица Гагарина, дом 10, не чистят снег.",
        "ул. Ленина, 45 нет света.",
        "На улице Карла Маркса яма.",
        "На Никонова 14 холодно в подъезде.",
        "По Куйбышева не ходит автобус.",
        "ул. К. Маркса, 7 мусор",
        "В Бондарском районе нет фельдшера.",
        "Город Чайковский, дорога разбита.",
        "Надежда умерла, вера пропала, любовь прошла.",
        "За 2 кв. 2022 года начислили лишнее, площадь 45 кв. м.",
        "Автобус 12 ходит с 7 до 19, проезд 35 рублей.",
        "На 5 этаже нет воды с 12 по 15 марта 2023 года.",
    ],
)
def test_streets_places_and_plain_numbers_survive(pipeline: Language, text: str) -> None:
    assert masked(pipeline, text) == text


def test_recall_on_the_labelled_sentences_keeps_its_floor(pipeline: Language) -> None:
    measured = evaluate_masking(pipeline, SENTENCES)
    for kind in ("phone", "email", "link", "snils", "passport", "flat"):
        assert measured["recall"][kind] >= 0.95, (kind, measured["misses"])
    assert measured["recall"]["person"] >= 0.95, measured["misses"]
    assert measured["precision_of_words"] >= 0.95, measured["misses"]
    assert measured["sentences"] >= 120


@given(
    number=st.integers(9_000_000_000, 9_999_999_999),
    shape=st.sampled_from(
        ["8{}", "+7{}", "8 ({0:.3}) {1}-{2}-{3}", "+7 {0} {1} {2} {3}", "8-{0}-{1}-{2}-{3}"]
    ),
)
@settings(max_examples=200)
def test_no_mobile_number_survives_however_it_is_written(number: int, shape: str) -> None:
    digits = str(number)
    parts = (digits[:3], digits[3:6], digits[6:8], digits[8:])
    written = shape.format(digits) if shape.count("{") == 1 else shape.format(*parts)
    result, counts = mask_patterns(f"звоните {written} вечером")
    assert result == "звоните [ТЕЛЕФОН] вечером"
    assert counts["phone"] == 1


@given(st.integers(0, 99_999_999_999))
def test_no_snils_survives(number: int) -> None:
    digits = f"{number:011d}"
    written = f"{digits[:3]}-{digits[3:6]}-{digits[6:9]} {digits[9:]}"
    assert not any(char.isdigit() for char in mask_patterns(f"СНИЛС {written}")[0])


def test_what_is_stored_beside_the_text_holds_no_name_either(pipeline: Language) -> None:
    doc = pipeline("ИП Кузьмина Анна из Челябинска, тел. 89123456789, магазин на ул. Ленина")
    stored = " ".join([*doc._.lemmas, *doc._.organisations, *doc._.places]).lower()
    assert "кузьмин" not in stored
    assert "анна" not in stored
    assert "9123456789" not in stored
    assert doc._.personal_data == {"person": 1, "phone": 1}
