"""Measures the pipeline: masking on our own sentences, blocks on a labelled file.

`python -m nlp.evaluate` measures masking; with `--labelled FILE --text COLUMN --label COLUMN` (and
optionally a seed that maps labels to blocks) also the block model. Prints JSON.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from spacy.language import Language

from nlp.model import BLOCKS, MODEL_VERSION, MODELS, BlockModel
from nlp.pipeline import build_pipeline

SENTENCES = Path(__file__).parent / "evaluation" / "personal_data.txt"
HELD_OUT = Path(__file__).parent / "evaluation" / "personal_data_held_out.txt"
_MARK = re.compile(r"\{(\w+)\|((?:\[[^\]]*\]|[^{}])*)\}")
_WORD = re.compile(r"[A-Za-zА-Яа-яЁё]{2,}|\d+")
_PLACEHOLDER = re.compile(r"\[[А-ЯЁ ]+\]")


def read_sentences(path: Path = SENTENCES) -> list[tuple[str, list[tuple[str, str]]]]:
    """(text, [(kind, what must vanish)]) of every line of the labelled file."""
    sentences = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            marks = [(match.group(1), match.group(2)) for match in _MARK.finditer(line)]
            sentences.append((_MARK.sub(lambda match: match.group(2), line), marks))
    return sentences


def masking_errors(
    text: str, marks: Sequence[tuple[str, str]], masked: str
) -> tuple[list[tuple[str, str]], list[str]]:
    """Marks of which a word is left in the masked text, and words lost that no mark covers."""
    left = Counter(_WORD.findall(_PLACEHOLDER.sub(" ", masked)))
    allowed = Counter(_WORD.findall(text))
    for _, part in marks:
        allowed -= Counter(_WORD.findall(part))
    leaked = [
        (kind, part)
        for kind, part in marks
        if any(left[word] > allowed[word] for word in _WORD.findall(part))
    ]
    lost = list((allowed - left).elements())
    return leaked, lost


def evaluate_masking(nlp: Language, path: Path = SENTENCES) -> dict[str, Any]:
    """Recall by kind, and precision: of the words masked, how many had to be."""
    total: Counter[str] = Counter()
    found: Counter[str] = Counter()
    hidden = wrong = 0
    misses: list[str] = []
    for text, marks in read_sentences(path):
        masked = nlp(text)._.masked_text or ""
        leaked, lost = masking_errors(text, marks, masked)
        for kind, part in marks:
            total[kind] += 1
            found[kind] += (kind, part) not in leaked
            hidden += len(_WORD.findall(part))
        wrong += len(lost)
        if leaked or lost:
            misses.append(f"{text} -> {masked}")
    return {
        "sentences": len(read_sentences(path)),
        "recall": {kind: round(found[kind] / total[kind], 4) for kind in sorted(total)},
        "marks": dict(sorted(total.items())),
        "recall_all": round(sum(found.values()) / sum(total.values()), 4),
        "precision_of_words": round(hidden / (hidden + wrong), 4),
        "misses": misses,
    }


def evaluate_blocks(
    decisions: Iterable[tuple[str, str, float]], threshold: float
) -> dict[str, Any]:
    """Measures of (true block, guessed block before the threshold, its probability).

    accuracy and macro_f1 count what reaches the threshold; coverage is the share that does.
    accuracy_all ignores the threshold.
    """
    rows = list(decisions)
    taken = [row for row in rows if row[2] >= threshold]
    right = Counter(truth for truth, guess, _ in taken if truth == guess)
    guessed = Counter(guess for _, guess, _ in taken)
    true = Counter(truth for truth, _, _ in taken)
    present = [block for block in BLOCKS if true[block]]
    f1 = {block: 2 * right[block] / (guessed[block] + true[block]) for block in present}
    count = len(rows) or 1
    return {
        "texts": len(rows),
        "threshold": threshold,
        "coverage": round(len(taken) / count, 4),
        "accuracy": round(sum(right.values()) / (len(taken) or 1), 4),
        "macro_f1": round(sum(f1.values()) / (len(f1) or 1), 4),
        "accuracy_all": round(sum(t == g for t, g, _ in rows) / count, 4),
        "mean_probability": round(sum(row[2] for row in taken) / (len(taken) or 1), 4),
        "f1": {block: round(value, 4) for block, value in f1.items()},
    }


def read_labelled(
    path: Path,
    *,
    text_column: str,
    label_column: str,
    separator: str = ",",
    labels: Path | None = None,
    source_code: str = "",
) -> list[tuple[str, str]]:
    """(text, true block) of a CSV file; labels without a block are left out.

    labels: a seed like `label_blocks.csv`; its rows of kind topic map the labels to blocks.
    Raises ValueError naming a column that is not there.
    """
    mapping: dict[str, str] = {}
    if labels is not None:
        with labels.open(encoding="utf-8", newline="") as file:
            mapping = {
                row["label"]: row["block_code"]
                for row in csv.DictReader(file)
                if row["source_code"] == source_code and row["label_kind"] == "topic"
            }
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, delimiter=separator)
        missing = {text_column, label_column} - set(reader.fieldnames or ())
        if missing:
            raise ValueError(f"{path.name} has no column {', '.join(sorted(missing))}")
        rows = []
        for row in reader:
            label = row[label_column] or ""
            block = mapping.get(label, "") if labels is not None else label
            if block in BLOCKS:
                rows.append((row[text_column] or "", block))
    return rows


def classify(nlp: Language, rows: Sequence[tuple[str, str]]) -> list[tuple[str, str, float]]:
    """(true block, best block, its probability) of labelled texts, the threshold not applied."""
    model: BlockModel = nlp.get_pipe("tsur_blocks").model  # type: ignore[attr-defined]
    results = []
    for doc, truth in nlp.pipe(((text, truth) for text, truth in rows), as_tuples=True):
        chances = model.probabilities(doc._.lemmas) if doc._.lemmas else None
        best = int(chances[: len(BLOCKS)].argmax()) if chances is not None else 0
        probability = float(chances[best]) if chances is not None else 0.0
        results.append((truth, BLOCKS[best], probability))
    return results


def main() -> None:
    """Command line of the evaluation."""
    parser = argparse.ArgumentParser(
        prog="python -m nlp.evaluate",
        description="Measure masking on our own sentences and blocks on a labelled file; JSON.",
        epilog="example: python -m nlp.evaluate --labelled appeals.csv --text Текст --label Тема "
        "--labels dbt_project/seeds/label_blocks.csv --source perm_incidents",
    )
    parser.add_argument("--version", default=MODEL_VERSION)
    parser.add_argument("--sentences", type=Path, default=SENTENCES, help="marked sentences")
    parser.add_argument("--labelled", type=Path, help="CSV file with texts and labels")
    parser.add_argument("--text", default="text", help="column of the text")
    parser.add_argument("--label", default="block", help="column of the label or block")
    parser.add_argument("--separator", default=",")
    parser.add_argument("--labels", type=Path, help="seed that maps labels to blocks")
    parser.add_argument("--source", default="", help="source_code of the seed's rows")
    parser.add_argument("--write", metavar="NAME", help="keep the result in metrics.json as NAME")
    arguments = parser.parse_args()
    nlp = build_pipeline(version=arguments.version)
    folder = MODELS / arguments.version
    model = BlockModel.load(folder)
    if arguments.labelled is None:
        name = "masking" if arguments.sentences == SENTENCES else arguments.sentences.stem
        result = evaluate_masking(nlp, arguments.sentences)
    else:
        rows = read_labelled(
            arguments.labelled,
            text_column=arguments.text,
            label_column=arguments.label,
            separator=arguments.separator,
            labels=arguments.labels,
            source_code=arguments.source,
        )
        name, result = "blocks", evaluate_blocks(classify(nlp, rows), model.threshold)
    if arguments.write or arguments.labelled is None:
        kept = {key: value for key, value in result.items() if key != "misses"}
        model.metrics.setdefault("measured", {})[arguments.write or name] = kept
        model.save_metrics(folder)
    print(json.dumps(result, ensure_ascii=False, indent=2))


if __name__ == "__main__":
    main()
