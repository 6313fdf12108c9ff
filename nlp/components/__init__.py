"""Components of the pipeline and the fields that they add to a document.

Importing this package registers the extensions. `masked_text` stays None until the component that
finds names has done its work: a document that failed on the way never shows its raw text.
"""

from __future__ import annotations

from collections import Counter

from spacy.tokens import Doc

_DOCUMENT_FIELDS: dict[str, object] = {
    "words": None,
    "forms": None,
    "masked_text": None,
    "pattern_counts": None,
    "personal_data": None,
    "organisations": (),
    "places": (),
    "municipality_codes": (),
    "town_tokens": (),
    "block_code": "unknown",
    "block_probability": 0.0,
    "person_token_flags": None,
}


def register_extensions() -> None:
    """Declares the custom fields of `Doc`; calling it again changes nothing."""
    for name, default in _DOCUMENT_FIELDS.items():
        Doc.set_extension(name, default=default, force=True)
    Doc.set_extension("lemmas", getter=document_lemmas, force=True)


def document_lemmas(doc: Doc) -> list[str]:
    """Lemmas of the words in order, without masked words, placeholders and numbers."""
    hidden = doc._.person_token_flags
    if hidden is None:
        return []
    return [
        form.lemma
        for form, is_hidden in zip(doc._.forms, hidden, strict=True)
        if form is not None and not is_hidden and form.lemma
    ]


def entity_counts(doc: Doc) -> dict[str, int]:
    """How many of each kind of personal data and entity a document holds; never their text."""
    counts: Counter[str] = Counter(doc._.personal_data or {})
    counts["organisation"] = len(doc._.organisations)
    counts["place"] = len(doc._.places)
    return {kind: number for kind, number in sorted(counts.items()) if number}


register_extensions()
