"""What the block model sees of a document: word n-grams, a lexicon and averaged embeddings.

The model is trained on a few hundred sentences of our own, far fewer than the words citizens use.
So the n-grams carry what the sentences say, the lexicon what officials know, and the embeddings
(navec, trained on news) carry both over to words that neither holds.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from nlp.components.entities import navec, vector
from nlp.morphology import Morphology
from nlp.name_lists import word_set

EMBEDDING = 300
_PREFIX = 5
_STOP = word_set("""
    и в во не что он на я с со как а то все она так его но да ты к у же вы за бы по только ее
    мне было вот от меня еще нет о из ему теперь когда даже ну вдруг ли если уже или ни быть был
    него до вас нибудь опять уж вам ведь там потом себя ничего ей может они тут где есть надо
    ней для мы тебя их чем была сам чтоб без будто чего раз тоже себе под будет ж тогда кто этот
    того потому какой ним здесь этом один почти мой тем чтобы нее сейчас были куда зачем всех
    можно при наконец два об другой хоть после над больше тот через эти нас про всего них много
    разве эта свою этой перед иногда лучше чуть том такой им более всегда конечно всю между это
    весь который наш ваш мочь свой здравствуйте добрый день вечер утро уважаемый пожалуйста
    спасибо просить прошу подсказать сказать очень самый
    """)
# «нет» and «без» say that something is missing, not what.


def content(lemmas: Iterable[str]) -> list[str]:
    """Lemmas that carry a topic: without function words, «ё» as «е»."""
    return [
        lemma
        for lemma in (item.replace("ё", "е").lower() for item in lemmas)
        if len(lemma) > 1 and lemma not in _STOP
    ]


def ngrams(words: Sequence[str]) -> list[str]:
    """Single lemmas, pairs of neighbours and the beginnings of longer lemmas, each once.

    The order is that of the text: sums over it must not depend on the hashes of a process.
    """
    found = dict.fromkeys(words)
    found.update(dict.fromkeys(f"{left} {right}" for left, right in pairwise(words)))
    found.update(dict.fromkeys(f"{word[:_PREFIX]}*" for word in words if len(word) > _PREFIX))
    return list(found)


@dataclass(frozen=True)
class Lexicon:
    """Weights of lemmas, beginnings of lemmas and pairs of neighbours by block."""

    blocks: tuple[str, ...]
    exact: dict[str, list[float]]
    prefixes: dict[str, list[float]]

    def __post_init__(self) -> None:
        object.__setattr__(self, "_cache", {})
        object.__setattr__(self, "_zero", np.zeros(len(self.blocks), dtype=np.float32))

    def _of(self, word: str) -> np.ndarray | None:
        cache: dict[str, np.ndarray | None] = self._cache  # type: ignore[attr-defined]
        if word in cache:
            return cache[word]
        total = np.zeros(len(self.blocks), dtype=np.float32)
        if word in self.exact:
            total += np.asarray(self.exact[word], dtype=np.float32)
        for length in range(2, len(word) + 1):
            weights = self.prefixes.get(word[:length])
            if weights is not None:
                total = np.maximum(total, np.asarray(weights, dtype=np.float32))
        if len(cache) > 200_000:
            cache.clear()
        cache[word] = total if total.any() else None
        return cache[word]

    def scores(self, words: Sequence[str]) -> np.ndarray:
        """Two numbers a block: how much of it the text says (0..1), and its share of all said."""
        total: np.ndarray = np.zeros(len(self.blocks), dtype=np.float32)
        for word in dict.fromkeys(words):
            found = self._of(word)
            if found is not None:
                total += found
        for left, right in dict.fromkeys(pairwise(words)):
            pair = self.exact.get(f"{left} {right}")
            if pair is not None:
                total += 1.5 * np.asarray(pair, dtype=np.float32)
        whole = float(total.sum())
        share = total / whole if whole else total
        return np.concatenate([1 - np.exp(-total / 3), share])


_LINE = re.compile(r"^([A-Z]+)\s+([\d.]+):\s*(.+)$")


def read_lexicon(path: Path, blocks: Sequence[str], morphology: Morphology) -> Lexicon:
    """Reads `lexicon.txt`; terms without a star are lemmatised like texts are.

    Raises ValueError naming the line that cannot be read.
    """
    exact: dict[str, list[float]] = defaultdict(lambda: [0.0] * len(blocks))
    prefixes: dict[str, list[float]] = defaultdict(lambda: [0.0] * len(blocks))
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        match = _LINE.match(line)
        if match is None or match.group(1) not in blocks:
            raise ValueError(f"{path.name}, line {number}: expected «BLOCK weight: term, term»")
        column, weight = blocks.index(match.group(1)), float(match.group(2))
        for term in (item.strip().lower().replace("ё", "е") for item in match.group(3).split(",")):
            if term.endswith("*") and " " not in term:
                target, key = prefixes, term[:-1]
            else:
                words = content(morphology.form(w.rstrip("*")).lemma for w in term.split())
                target, key = exact, " ".join(words)
            if key:
                target[key][column] = max(target[key][column], weight)
    return Lexicon(tuple(blocks), dict(exact), dict(prefixes))


class Embedder:
    """Mean embedding of a text, each word weighted by how rare it is."""

    _SMOOTHING = 3e-4

    def __init__(self) -> None:
        vocabulary = navec().vocab
        self._counts = dict(zip(vocabulary.words, vocabulary.counts, strict=False))
        self._total = float(sum(vocabulary.counts)) or 1.0
        self._cache: dict[str, np.ndarray | None] = {}

    def _weighted(self, word: str) -> np.ndarray | None:
        if word not in self._cache:
            if len(self._cache) > 60_000:
                self._cache.clear()
            found = vector(word)
            if found is not None:
                frequency = float(self._counts.get(word, 0)) / self._total
                found = found / (np.linalg.norm(found) + 1e-9)
                found = found * (self._SMOOTHING / (self._SMOOTHING + frequency))
            self._cache[word] = found
        return self._cache[word]

    def mean(self, words: Sequence[str]) -> np.ndarray:
        """A vector of 300 numbers and length 1; zeros when no word is known."""
        vectors = [
            found for word in dict.fromkeys(words) if (found := self._weighted(word)) is not None
        ]
        if not vectors:
            return np.zeros(EMBEDDING, dtype=np.float32)
        total = np.sum(vectors, axis=0)
        return total / (np.linalg.norm(total) + 1e-9)
