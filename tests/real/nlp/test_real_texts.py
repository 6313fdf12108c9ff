"""Blocks of texts that citizens wrote. The floors lie below what docs/nlp.md says was measured."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import NamedTuple

import pytest

from nlp.evaluate import classify, evaluate_blocks, read_labelled
from nlp.model import load_model
from nlp.pipeline import build_pipeline

pytestmark = pytest.mark.real

LABELS = Path(__file__).resolve().parents[3] / "dbt_project" / "seeds" / "label_blocks.csv"
SAMPLE = 2_000


class Source(NamedTuple):
    file: str
    text: str
    label: str
    separator: str
    code: str
    accuracy: float
    coverage: float
    macro_f1: float


SOURCES = [
    Source("appeals/perm_incidents.csv", "Текст инцидента", "Тема", ";", "perm_incidents",
           0.78, 0.80, 0.68),
    Source("appeals/kursk_messages.csv", "Текст Сообщения", "Тематика", ",", "kursk_messages",
           0.75, 0.80, 0.65),
]  # fmt: skip


def rows_of(source: Source, real_data: Path) -> list[tuple[str, str]]:
    rows = read_labelled(
        real_data / source.file,
        text_column=source.text,
        label_column=source.label,
        separator=source.separator,
        labels=LABELS,
        source_code=source.code,
    )
    # A sample that does not depend on the order of the file.
    rows.sort(key=lambda row: hashlib.sha256(row[0].encode()).digest())
    return rows[:SAMPLE]


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.code)
def test_blocks_of_real_texts_agree_with_their_topics(source: Source, real_data: Path) -> None:
    nlp = build_pipeline()
    threshold = load_model().threshold
    measured = evaluate_blocks(classify(nlp, rows_of(source, real_data)), threshold)
    assert measured["accuracy"] >= source.accuracy, measured
    assert measured["coverage"] >= source.coverage, measured
    assert measured["macro_f1"] >= source.macro_f1, measured


def test_every_label_of_the_real_sources_is_in_the_seed(real_data: Path) -> None:
    seed = LABELS.read_text(encoding="utf-8")
    for source in SOURCES:
        raw = (real_data / source.file).read_text(encoding="utf-8-sig")
        assert raw
        rows = read_labelled(
            real_data / source.file,
            text_column=source.text,
            label_column=source.label,
            separator=source.separator,
        )
        assert rows == []  # without the seed no label is a block
        assert source.code in seed


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.code)
def test_no_number_that_looks_like_a_telephone_is_left(source: Source, real_data: Path) -> None:
    nlp = build_pipeline(with_blocks=False)
    telephone = re.compile(r"(?<!\d)(?:\+7|8)[\s(-]*9\d{2}[\s)-]*\d{3}[\s-]?\d{2}[\s-]?\d{2}(?!\d)")
    texts = [text for text, _ in rows_of(source, real_data) if telephone.search(text)][:300]
    for doc in nlp.pipe(texts):
        assert telephone.search(doc._.masked_text) is None
