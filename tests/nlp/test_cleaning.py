"""What is left of the way a source wrote a text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlp.cleaning import clean


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("'Добрый день", "Добрый день"),
        ("<p>Нужен ремонт.</p>", "Нужен ремонт."),
        ("Первая<br>вторая<br/>третья", "Первая\nвторая\nтретья"),
        ("5 &lt; 7 &amp;&nbsp;всё", "5 < 7 & всё"),
        ("Дом&amp;nbsp;5", "Дом 5"),
        ("Ужас 😡🤬 просто", "Ужас просто"),
        ("Слова\u00a0\u2009 \t врозь", "Слова врозь"),
        ("<script>alert(1)</script>Вода", "Вода"),
        ("Невидимый\u200bзнак", "Невидимыйзнак"),
        ("Строка_x000D_\nдругая", "Строка\nдругая"),
        ("", ""),
    ],
)
def test_markup_of_editors_and_exports_disappears(written: str, plain: str) -> None:
    assert clean(written) == plain


def test_a_mention_of_a_person_becomes_a_placeholder_without_the_account() -> None:
    assert clean("[id553|Мария], вы правы") == "[ИМЯ] , вы правы"
    assert clean("спасибо, [club77|Наш город]!") == "спасибо, [ССЫЛКА] !"


@given(st.text())
def test_cleaning_never_fails_and_leaves_no_double_space(text: str) -> None:
    assert "  " not in clean(text)


@given(st.text(alphabet="абвгд <>&;[]|'idp/1", max_size=60))
def test_cleaning_of_broken_markup_never_fails(text: str) -> None:
    assert isinstance(clean(text), str)
