"""Trains the block model from authored texts: `python -m nlp.train`.

Nothing but `nlp/training` goes in. The same files give the same weights: the shuffles are seeded
and L-BFGS starts from zero.
"""

from __future__ import annotations

import argparse
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.optimize import minimize
from scipy.sparse import csr_matrix

from nlp.features import EMBEDDING, content, ngrams, read_lexicon
from nlp.model import BLOCKS, CLASSES, MODEL_VERSION, MODELS, UNKNOWN, BlockModel
from nlp.morphology import Morphology
from nlp.pipeline import build_pipeline

TRAINING = Path(__file__).parent / "training"
SEED = 20261121
# Chosen by trying neighbours; see docs/nlp.md for what each brings.
NGRAM_PENALTY = 5e-5
DENSE_PENALTY = 4e-4
TEMPERATURE = 1.0
THRESHOLD = 0.45
# Roughly how often each class occurs among appeals; the authored sentences are no sample of them.
PRIOR = {
    "HEALTH": 0.16, "EDU": 0.05, "SOC": 0.14, "HCS": 0.25, "WASTE": 0.08, "ROADS": 0.17,
    "TRANSPORT": 0.05, "ENERGY": 0.03, "OTHER": 0.05, "unknown": 0.05,
}  # fmt: skip
PRIOR_STRENGTH = 0.7
Example = tuple[list[str], int]


def read_examples(folder: Path = TRAINING) -> list[Example]:
    """Content lemmas and class number of every authored sentence."""
    nlp = build_pipeline(with_blocks=False)
    examples: list[Example] = []
    for number, name in enumerate(CLASSES):
        lines = (folder / f"{name}.txt").read_text(encoding="utf-8").splitlines()
        sentences = [line.strip() for line in lines if line.strip()]
        examples.extend((content(doc._.lemmas), number) for doc in nlp.pipe(sentences))
    return examples


def read_distractors(folder: Path = TRAINING) -> list[list[str]]:
    """Content lemmas of phrases that stand in appeals of every block («возле школы»)."""
    nlp = build_pipeline(with_blocks=False)
    lines = (folder / "distractors.txt").read_text(encoding="utf-8").splitlines()
    return [content(doc._.lemmas) for doc in nlp.pipe(line for line in lines if line.strip())]


def augment(
    examples: Sequence[Example], rounds: int = 3, distractors: Sequence[list[str]] = ()
) -> list[tuple[list[str], int, float]]:
    """Sentences, shortened ones, pairs, and sentences with a phrase that must not decide.

    Appeals are longer and messier than one sentence, and say where a thing is by schools, shops
    and stops.
    """
    source = random.Random(SEED)
    by_class: dict[int, list[list[str]]] = {}
    for words, label in examples:
        by_class.setdefault(label, []).append(words)
    filler = by_class.get(CLASSES.index(UNKNOWN), [[]])
    made = [(list(words), label, 1.0) for words, label in examples]
    for _ in range(rounds):
        for words, label in examples:
            kept = [word for word in words if source.random() > 0.4]
            if kept:
                made.append((kept, label, 0.5))
            other = source.choice(by_class[label])
            made.append((words + other, label, 0.5))
            if distractors:
                phrase = list(source.choice(distractors))
                made.append((words + phrase, label, 0.5))
                made.append((phrase + (kept or words), label, 0.5))
            if label != CLASSES.index(UNKNOWN):
                made.append((source.choice(filler) + words, label, 0.5))
    return made


def fit(
    examples: Sequence[Example],
    *,
    version: str = MODEL_VERSION,
    ngram_penalty: float = NGRAM_PENALTY,
    dense_penalty: float = DENSE_PENALTY,
    rounds: int = 3,
    distractors: Sequence[list[str]] = (),
) -> BlockModel:
    """Multinomial logistic regression with an L2 penalty of its own on n-grams and dense parts."""
    lexicon = read_lexicon(TRAINING / "lexicon.txt", BLOCKS, Morphology())
    prepared: list[tuple[list[str], int, float]] = augment(examples, rounds, distractors)
    for term, weights in lexicon.exact.items():
        top = int(np.argmax(weights))
        if weights[top] >= 3:
            prepared.append((term.split(), top, 0.35))
    counts: Counter[str] = Counter()
    for words, _, _ in prepared:
        counts.update(ngrams(words))
    kept = sorted(gram for gram, number in counts.items() if number >= 2)
    vocabulary = {gram: i for i, gram in enumerate(kept)}
    width = 2 * len(BLOCKS) + EMBEDDING
    model = BlockModel(
        version, vocabulary,
        np.zeros((len(vocabulary), len(CLASSES)), dtype=np.float32),
        np.zeros((width, len(CLASSES)), dtype=np.float32),
        np.zeros(len(CLASSES), dtype=np.float32),
        lexicon, TEMPERATURE, THRESHOLD,
    )  # fmt: skip

    rows, columns, values = [], [], []
    dense = np.zeros((len(prepared), width))
    for row, (words, _, _) in enumerate(prepared):
        known = [vocabulary[gram] for gram in sorted(ngrams(words)) if gram in vocabulary]
        rows.extend([row] * len(known))
        columns.extend(known)
        values.extend([1 / np.sqrt(len(known) or 1)] * len(known))
        dense[row] = model.dense(words)
    sparse = csr_matrix((values, (rows, columns)), shape=(len(prepared), len(vocabulary)))
    labels = np.array([label for _, label, _ in prepared])
    # Every class weighs the same, however many sentences were written for it.
    mass = np.array([weight for _, _, weight in prepared])
    for label in range(len(CLASSES)):
        mass[labels == label] /= mass[labels == label].sum() * len(CLASSES)
    target = np.eye(len(CLASSES))[labels]
    shapes = (len(vocabulary), width)

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        table = flat.reshape(shapes[0] + shapes[1] + 1, len(CLASSES))
        grams, thick, bias = table[: shapes[0]], table[shapes[0] : -1], table[-1]
        scores = sparse @ grams + dense @ thick + bias
        scores -= scores.max(axis=1, keepdims=True)
        chances = np.exp(scores)
        chances /= chances.sum(axis=1, keepdims=True)
        value = -(mass * np.log((chances * target).sum(axis=1) + 1e-12)).sum()
        value += ngram_penalty * (grams**2).sum() + dense_penalty * (thick**2).sum()
        error = mass[:, None] * (chances - target)
        gradient = np.concatenate([
            sparse.T @ error + 2 * ngram_penalty * grams,
            dense.T @ error + 2 * dense_penalty * thick,
            error.sum(axis=0, keepdims=True),
        ])  # fmt: skip
        return float(value), gradient.ravel()

    start = np.zeros((shapes[0] + shapes[1] + 1) * len(CLASSES))
    best = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 400})
    table = best.x.reshape(-1, len(CLASSES))
    model.ngram_weights = table[: shapes[0]].astype(np.float16).astype(np.float32)
    model.dense_weights = table[shapes[0] : -1].astype(np.float32)
    prior = np.log([PRIOR[name] * len(CLASSES) for name in CLASSES])
    model.bias = (table[-1] + PRIOR_STRENGTH * prior).astype(np.float32)
    return model


def cross_validate(
    examples: Sequence[Example], distractors: Sequence[list[str]] = (), folds: int = 5
) -> float:
    """Accuracy on authored sentences that the model did not see (mean of the folds)."""
    order = list(range(len(examples)))
    random.Random(SEED).shuffle(order)
    right = 0
    for fold in range(folds):
        held = set(order[fold::folds])
        model = fit([examples[i] for i in order if i not in held], distractors=distractors)
        for i in held:
            words, label = examples[i]
            right += int(np.argmax(model.probabilities(words))) == label
    return right / len(examples)


def train(version: str = MODEL_VERSION, folder: Path | None = None) -> BlockModel:
    """Trains, cross-validates and writes the artefact; keeps measures that stand beside it."""
    examples = read_examples()
    distractors = read_distractors()
    model = fit(examples, version=version, distractors=distractors)
    target = folder or MODELS / version
    if (target / "metrics.json").exists():
        model.metrics = BlockModel.load(target).metrics
    model.metrics["training"] = {
        "examples": len(examples),
        "by_class": {
            name: sum(1 for _, label in examples if label == number)
            for number, name in enumerate(CLASSES)
        },
        "cross_validated_accuracy": round(cross_validate(examples, distractors), 4),
    }
    model.save(target)
    return model


def main() -> None:
    """Command line of the training."""
    parser = argparse.ArgumentParser(
        prog="python -m nlp.train",
        description="Train the block model on nlp/training and write nlp/models/VERSION.",
        epilog="example: python -m nlp.train --version blocks-2026.12.1",
    )
    parser.add_argument("--version", default=MODEL_VERSION, help="name of the artefact's folder")
    arguments = parser.parse_args()
    model = train(arguments.version)
    print(f"{arguments.version}: {model.metrics['training']}")


if __name__ == "__main__":
    main()
