"""The block model: a linear classifier, its artefact on disk and its version."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from nlp.features import Embedder, Lexicon, content, ngrams

MODEL_VERSION = "blocks-2026.11.1"
MODELS = Path(__file__).parent / "models"
BLOCKS = ("HEALTH", "EDU", "SOC", "HCS", "WASTE", "ROADS", "TRANSPORT", "ENERGY", "OTHER")
UNKNOWN = "unknown"
CLASSES = (*BLOCKS, UNKNOWN)


@dataclass
class BlockModel:
    """Weights over n-grams, lexicon scores and embeddings; softmax with a temperature.

    `ngram_weights` is (n-grams × 10), `dense_weights` (18 lexicon scores + 300 × 10).
    A probability below `threshold` gives the block `unknown`.
    """

    version: str
    vocabulary: dict[str, int]
    ngram_weights: np.ndarray
    dense_weights: np.ndarray
    bias: np.ndarray
    lexicon: Lexicon
    temperature: float
    threshold: float
    metrics: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._embedder = Embedder()

    def dense(self, words: Sequence[str]) -> np.ndarray:
        """Lexicon scores followed by the mean embedding."""
        return np.concatenate([self.lexicon.scores(words), self._embedder.mean(words)])

    def probabilities(self, lemmas: Sequence[str]) -> np.ndarray:
        """Probabilities of `CLASSES` for the lemmas of a text."""
        words = content(lemmas)
        scores = self.bias.astype(np.float64) + self.dense(words) @ self.dense_weights
        known = [self.vocabulary[gram] for gram in ngrams(words) if gram in self.vocabulary]
        if known:
            scores = scores + self.ngram_weights[known].sum(axis=0) / np.sqrt(len(known))
        scores = scores / self.temperature
        exponents = np.exp(scores - scores.max())
        return exponents / exponents.sum()

    def decide(self, lemmas: Sequence[str]) -> tuple[str, float]:
        """Block and its probability; `unknown` with the best block's probability if that is low."""
        chances = self.probabilities(lemmas)
        best = int(np.argmax(chances[: len(BLOCKS)]))
        probability = float(chances[best])
        if probability < self.threshold:
            return UNKNOWN, probability
        return BLOCKS[best], probability

    def save(self, folder: Path) -> None:
        """Writes `weights.npz`, `model.json` and `metrics.json`; the same model, the same bytes."""
        folder.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(
            folder / "weights.npz",
            ngram_weights=self.ngram_weights.astype(np.float16),
            dense_weights=self.dense_weights.astype(np.float32),
            bias=self.bias.astype(np.float32),
        )
        description = {
            "version": self.version,
            "classes": list(CLASSES),
            "temperature": self.temperature,
            "threshold": self.threshold,
            "vocabulary": sorted(self.vocabulary, key=self.vocabulary.__getitem__),
            "lexicon": {"exact": self.lexicon.exact, "prefixes": self.lexicon.prefixes},
        }
        _write(folder / "model.json", description, indent=None)
        self.save_metrics(folder)

    def save_metrics(self, folder: Path) -> None:
        """Writes only `metrics.json`."""
        _write(folder / "metrics.json", self.metrics, indent=2)

    @classmethod
    def load(cls, folder: Path) -> BlockModel:
        """Reads what `save` wrote. Raises FileNotFoundError naming the missing file."""
        description = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        metrics_file = folder / "metrics.json"
        metrics = json.loads(metrics_file.read_text("utf-8")) if metrics_file.exists() else {}
        with np.load(folder / "weights.npz", allow_pickle=False) as arrays:
            return cls(
                version=description["version"],
                vocabulary={gram: i for i, gram in enumerate(description["vocabulary"])},
                ngram_weights=arrays["ngram_weights"].astype(np.float32),
                dense_weights=arrays["dense_weights"],
                bias=arrays["bias"],
                lexicon=Lexicon(BLOCKS, **description["lexicon"]),
                temperature=description["temperature"],
                threshold=description["threshold"],
                metrics=metrics,
            )


def load_model(version: str = MODEL_VERSION) -> BlockModel:
    """The model of a version that ships with the platform."""
    return BlockModel.load(MODELS / version)


def _write(path: Path, value: object, *, indent: int | None) -> None:
    text = json.dumps(value, ensure_ascii=False, indent=indent, sort_keys=True)
    path.write_text(text + "\n", encoding="utf-8")
