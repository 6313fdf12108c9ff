"""Lemmas, municipalities and blocks of single texts."""

from __future__ import annotations

import pytest
from spacy.language import Language

from nlp.model import BLOCKS, UNKNOWN, load_model


def test_lemmas_are_dictionary_forms_without_placeholders_and_numbers(pipeline: Language) -> None:
    doc = pipeline("Дороги чистят плохо, дом 5, звоните 89123456789")
    assert doc._.lemmas == ["дорога", "чистить", "плохо", "дом", "звонить"]


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("В Бондарском районе не чистят дорогу", ["68602000"]),
        ("живём в челябинске, воды нет", ["75701000"]),
        ("г. Челябинск, ул. Кирова", ["75701000"]),
        ("Копейский городской округ, мусор", ["75728000"]),
        ("город Копейск", ["75728000"]),
        ("в Великих Луках нет врача", ["58710000"]),
        ("Чебаркульский район без света", ["75657000"]),
        ("в Чебаркуле нет света", ["75758000"]),
        ("в г. Остров закрыли больницу", ["58633000"]),
        ("из Тамбова и Великих Лук", ["58710000", "68701000"]),
    ],
)
def test_a_municipality_is_found_in_any_case_and_by_its_town(
    pipeline: Language, text: str, codes: list[str]
) -> None:
    assert list(pipeline(text)._.municipality_codes) == codes


def test_a_name_that_two_regions_share_gives_both_codes(pipeline: Language) -> None:
    doc = pipeline("В Красноармейском районе закрыли школу")
    assert list(doc._.municipality_codes) == ["36626000", "75634000"]


@pytest.mark.parametrize(
    "text",
    [
        "На улице Тамбовской лужа",
        "Этот остров спокойствия",
        "Врач Кирсанов не принял",
        "Бондарский сыр подорожал",
        "Район большой",
    ],
)
def test_streets_surnames_and_everyday_words_are_no_municipality(
    pipeline: Language, text: str
) -> None:
    assert list(pipeline(text)._.municipality_codes) == []


@pytest.mark.parametrize(
    ("text", "block"),
    [
        ("Не могу записаться к кардиологу, талонов в поликлинике нет", "HEALTH"),
        ("В школе не хватает учителей математики", "EDU"),
        ("Детское пособие не назначили, соцзащита молчит", "SOC"),
        ("В подъезде течёт крыша, управляющая компания бездействует", "HCS"),
        ("Контейнеры переполнены, мусор не вывозят", "WASTE"),
        ("Огромные ямы на дороге, нужен ремонт асфальта", "ROADS"),
        ("Автобус не ходит по расписанию, кондуктор грубит", "TRANSPORT"),
        ("Отключили электричество, подстанция сгорела", "ENERGY"),
        ("Бездомные собаки кусают детей", "OTHER"),
    ],
)
def test_a_plain_complaint_gets_its_block(pipeline: Language, text: str, block: str) -> None:
    doc = pipeline(text)
    assert doc._.block_code == block
    assert 0.5 < doc._.block_probability <= 1


@pytest.mark.parametrize("text", ["", "!!!", "Спасибо", "Согласна с вами", "12345"])
def test_a_text_without_a_subject_is_unknown(pipeline: Language, text: str) -> None:
    assert pipeline(text)._.block_code == UNKNOWN


def test_the_threshold_decides_between_a_block_and_unknown() -> None:
    model = load_model()
    lemmas = ["нет", "вода", "дом", "и", "мусор"]
    block, probability = model.decide(lemmas)
    model.threshold = probability + 0.0001
    assert model.decide(lemmas) == (UNKNOWN, probability)
    model.threshold = probability
    assert model.decide(lemmas) == (block, probability)
    assert block in BLOCKS


def test_probabilities_of_all_classes_sum_to_one() -> None:
    assert load_model().probabilities(["школа", "учитель"]).sum() == pytest.approx(1)
