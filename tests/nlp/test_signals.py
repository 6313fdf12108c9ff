"""What is certain of a text without understanding it."""

from __future__ import annotations

import pytest

from nlp.morphology import Morphology
from nlp.signals import skeleton, skeleton_hash, text_signals


@pytest.fixture(scope="module")
def morphology() -> Morphology:
    return Morphology()


@pytest.mark.parametrize(
    ("text", "court", "prosecutor", "president"),
    [
        ("Будем подавать в суд на управляющую компанию", True, False, False),
        ("Судебное решение не исполнено", True, False, False),
        ("Напишу прокурору района и в прокуратуру области", False, True, False),
        ("Обращусь лично к Президенту", False, False, True),
        ("Судя по всему, снег убирать не будут, посуда в столовой грязная", False, False, False),
        ("Вице-президент компании обещал автобус", False, False, False),
    ],
)
def test_words_of_court_prosecutor_and_president_are_found_in_any_form(
    morphology: Morphology, text: str, court: bool, prosecutor: bool, president: bool
) -> None:
    found = text_signals(text, morphology)
    assert (found.has_court, found.has_prosecutor, found.has_president) == (
        court,
        prosecutor,
        president,
    )


def test_copies_that_differ_in_case_signs_and_markup_have_one_hash(morphology: Morphology) -> None:
    written = "Во дворе дома всё ещё не убран снег, пройти к подъезду нельзя!!! 😡"
    copied = "<p>во дворе дома все еще НЕ УБРАН снег — пройти к подъезду нельзя</p>"
    other = "Во дворе дома всё ещё не убран мусор, пройти к подъезду нельзя!!!"
    first = text_signals(written, morphology).normalised_text_hash
    assert first is not None
    assert text_signals(copied, morphology).normalised_text_hash == first
    assert text_signals(other, morphology).normalised_text_hash != first


def test_a_text_too_short_to_tell_copies_by_has_no_hash(morphology: Morphology) -> None:
    assert text_signals("Спасибо большое!", morphology).normalised_text_hash is None
    assert text_signals("а" * 39, morphology).normalised_text_hash is None
    assert text_signals("а" * 40, morphology).normalised_text_hash is not None


TEMPLATE = (
    "{greeting}! Ваше обращение № {number} рассмотрено {date}. По адресу: {address} работы "
    "выполнены. Тел. {phone}."
)


def test_replies_from_one_template_have_one_skeleton(morphology: Morphology) -> None:
    first = TEMPLATE.format(
        greeting="Уважаемый Иван Петрович",
        number="123-4",
        date="12.03.2026",
        address="г. Тамбов, ул. Советская, д. 5",
        phone="+7 4752 12-34-56",
    )
    second = TEMPLATE.format(
        greeting="Уважаемая Анна Сергеевна",
        number="9999",
        date="1 апреля",
        address="г. Мичуринск, ул. Ленина, д. 15а",
        phone="8 (4752) 65-43-21, a.b@example.ru",
    )
    assert skeleton(first, morphology) == skeleton(second, morphology)
    assert skeleton_hash(first, morphology) == skeleton_hash(second, morphology) is not None


def test_replies_that_say_another_thing_have_another_skeleton(morphology: Morphology) -> None:
    done = "Ваше обращение рассмотрено. Работы по уборке снега во дворе выполнены полностью."
    refused = "Ваше обращение рассмотрено. Работы по уборке снега во дворе не предусмотрены."
    assert skeleton_hash(done, morphology) != skeleton_hash(refused, morphology)


def test_a_skeleton_holds_no_name_number_or_place(morphology: Morphology) -> None:
    reply = (
        "Сидорова Анна, здравствуйте! Яма на улице Гагарина у дома 12 в Кирсанове заделана, "
        "телефон 89123456789, паспорт 6812 345678, сообщил Пётр Ильич."
    )
    left = skeleton(reply, morphology)
    assert not any(char.isdigit() for char in left)
    for planted in ("сидоров", "анна", "гагарин", "кирсанов", "петр", "ильич"):
        assert planted not in left


def test_a_reply_of_which_little_is_left_has_no_hash(morphology: Morphology) -> None:
    assert skeleton_hash("Уважаемый Иван Петрович! Ответ дан.", morphology) is None
