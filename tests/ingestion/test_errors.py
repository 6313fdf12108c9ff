"""Every error code has its text, and every text is used."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from ingestion.errors import ERROR_TEXTS, catalogue, describe

PACKAGE = Path(__file__).resolve().parents[2] / "ingestion"
RAISED = {
    "IngestionError",
    "FetchError",
    "RecordError",
    "UnreadableAnswer",
    "refused",
    "refuse",
    "describe",
    "_keep",
}


def words() -> Iterator[str]:
    """Every string constant of the package, the page of errors itself left out."""
    for path in PACKAGE.rglob("*.py"):
        if path.name == "errors.py" or "sandbox" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


def raised() -> Iterator[str]:
    for path in PACKAGE.rglob("*.py"):
        if "sandbox" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else None
            name = node.func.id if isinstance(node.func, ast.Name) else name
            if name in RAISED:
                codes = [a for a in node.args if isinstance(a, ast.Constant)]
                yield from (str(one.value) for one in codes[:1] if " " not in str(one.value))


def test_every_code_that_is_raised_is_explained() -> None:
    codes = {code for code in raised() if code.replace("_", "").isalnum() and code.islower()}
    assert len(codes) > 20
    assert codes <= set(ERROR_TEXTS)


def test_every_explained_code_is_used() -> None:
    # These two have a class of their own, which names them.
    used = set(words()) | {"source_definition", "contract_frozen"}
    assert not set(ERROR_TEXTS) - used


def test_a_description_says_what_happened_to_what_and_what_to_do() -> None:
    told = describe("missing_column", "register.csv: missing: Номер.")
    text = ERROR_TEXTS["missing_column"]
    assert told == f"{text.happened} register.csv: missing: Номер. {text.remedy}"


def test_the_page_of_error_codes_is_up_to_date() -> None:
    page = PACKAGE.parent / "docs" / "errors.md"
    assert page.read_text(encoding="utf-8") == catalogue()
