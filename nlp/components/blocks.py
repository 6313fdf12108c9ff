"""The sector block of a document and its probability."""

from __future__ import annotations

from spacy.language import Language
from spacy.tokens import Doc

from nlp.model import MODEL_VERSION, UNKNOWN, BlockModel, load_model


class BlockClassifier:
    """Sets `doc._.block_code` and `doc._.block_probability` from the document's lemmas."""

    def __init__(self, model: BlockModel) -> None:
        self.model = model

    def __call__(self, doc: Doc) -> Doc:
        lemmas = doc._.lemmas
        if not lemmas:
            doc._.block_code, doc._.block_probability = UNKNOWN, 0.0
            return doc
        doc._.block_code, doc._.block_probability = self.model.decide(lemmas)
        return doc


@Language.factory("tsur_blocks", default_config={"version": MODEL_VERSION})
def create_blocks(nlp: Language, name: str, version: str) -> BlockClassifier:
    """Factory of the classifier; loads the artefact of a version."""
    return BlockClassifier(load_model(version))
