"""The platform's one spaCy pipeline: `spacy.blank("ru")` with components of our own."""

from __future__ import annotations

from pathlib import Path

import spacy
from spacy.language import Language

# Importing a component registers it with spaCy.
from nlp.components import blocks, entities, persons, places, tokens  # noqa: F401
from nlp.components.places import read_municipalities
from nlp.components.tokens import CleaningTokenizer
from nlp.model import MODEL_VERSION

MUNICIPALITIES = (
    Path(__file__).resolve().parents[1] / "dbt_project" / "seeds" / "municipalities.csv"
)


def build_pipeline(
    *,
    version: str = MODEL_VERSION,
    municipalities: Path = MUNICIPALITIES,
    with_blocks: bool = True,
) -> Language:
    """A pipeline ready for `nlp.pipe`; about a second and 150 MB.

    municipalities: the seed with the columns municipality_code and municipality_name.
    with_blocks: without it the pipeline needs no trained model (training uses it so).
    """
    nlp = spacy.blank("ru")
    nlp.tokenizer = CleaningTokenizer(nlp.vocab)
    nlp.add_pipe("tsur_lemmatizer")
    nlp.add_pipe("tsur_entities")
    nlp.add_pipe("tsur_municipalities", config={"rows": read_municipalities(municipalities)})
    nlp.add_pipe("tsur_persons")
    nlp.add_pipe("tsur_places")
    if with_blocks:
        nlp.add_pipe("tsur_blocks", config={"version": version})
    nlp.max_length = 10_000_000
    return nlp
