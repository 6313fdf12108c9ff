"""Shows what the pipeline makes of a text: `python -m nlp.predict "В доме нет воды"`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from typing import Any

from nlp.enrich import analyse
from nlp.pipeline import build_pipeline


def predict(texts: Iterable[str]) -> Iterator[dict[str, Any]]:
    """One dictionary per text: masked text, block, probability, places, municipality codes …"""
    nlp = build_pipeline()
    for row in analyse(nlp, ((str(number), text) for number, text in enumerate(texts))):
        yield {
            "masked_text": row.masked_text,
            "block_code": row.block_code,
            "block_probability": row.block_probability,
            "municipality_codes": row.municipality_codes,
            "organisations": row.organisations,
            "places": row.places,
            "entities": row.entities,
            "lemmas": row.lemmas,
        }


def main() -> None:
    """Command line: texts as arguments, or one a line on standard input; JSON Lines out."""
    parser = argparse.ArgumentParser(
        prog="python -m nlp.predict",
        description="Mask and classify texts; without arguments one text a line from the input.",
        epilog='example: python -m nlp.predict "В доме на ул. Ленина, 5 нет воды"',
    )
    parser.add_argument("texts", nargs="*", metavar="TEXT", help="a text in quotation marks")
    arguments = parser.parse_args()
    texts = arguments.texts or (line.rstrip("\n") for line in sys.stdin)
    for result in predict(texts):
        print(json.dumps(result, ensure_ascii=False))


if __name__ == "__main__":
    main()
