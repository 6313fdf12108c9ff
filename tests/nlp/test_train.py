"""The artefact and how it comes about."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nlp.features import read_lexicon
from nlp.model import BLOCKS, CLASSES, MODEL_VERSION, MODELS, BlockModel
from nlp.morphology import Morphology
from nlp.train import fit

EXAMPLES = [
    (words.split(), number)
    for number in range(len(CLASSES))
    for words in (f"слово{number} общий", f"слово{number} другой", f"слово{number} третий")
]


def test_the_shipped_artefact_is_small_and_has_its_metrics_beside_it() -> None:
    folder = MODELS / MODEL_VERSION
    assert sum(file.stat().st_size for file in folder.iterdir()) < 5_000_000
    model = BlockModel.load(folder)
    assert model.version == MODEL_VERSION
    assert model.metrics["training"]["cross_validated_accuracy"] > 0.85
    assert model.metrics["measured"]["masking"]["sentences"] >= 120


def test_training_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("first", "second"):
        fit(EXAMPLES, version="test", rounds=1).save(tmp_path / name)
    for file in ("weights.npz", "model.json", "metrics.json"):
        assert (tmp_path / "first" / file).read_bytes() == (tmp_path / "second" / file).read_bytes()


def test_a_stored_model_decides_like_the_one_that_was_stored(tmp_path: Path) -> None:
    model = fit(EXAMPLES, version="test", rounds=1)
    model.save(tmp_path)
    loaded = BlockModel.load(tmp_path)
    for words, _ in EXAMPLES:
        np.testing.assert_allclose(
            loaded.probabilities(words), model.probabilities(words), rtol=1e-3
        )


def test_a_lexicon_line_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "lexicon.txt"
    path.write_text("# comment\nHEALTH 3: врач\nNOBLOCK 3: слово\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"lexicon.txt, line 3"):
        read_lexicon(path, BLOCKS, Morphology())
