"""docs/sources.md names every key that a YAML may have, and every variable that YAMLs ask for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
from pydantic import BaseModel

from ingestion import source
from ingestion.source import SOURCES_FOLDER

ROOT = SOURCES_FOLDER.parents[1]
PAGE = (ROOT / "docs" / "sources.md").read_text(encoding="utf-8")
# In which section the fields of a model stand.
SECTIONS = {
    "Source": "source",
    "Description": "source",
    "Freshness": "source",
    "WindowRule": "source",
    "FileTime": "source",
    "Region": "region",
    "Wall": "region",
    "Channel": "region",
    "Group": "region",
    "Feed": "region",
    "Entity": "entity",
    "Contract": "entity",
    "FieldRule": "rule",
    "Format": "format",
}
MODELS = {
    name: model
    for name, model in vars(source).items()
    if isinstance(model, type) and issubclass(model, BaseModel) and not name.startswith("_")
    if model.__module__ == source.__name__
}
# What the loader of YAMLs fills in itself and refuses in a file.
SET_BY_PROGRAM = {"Source": {"code", "missing_variables"}, "Entity": {"name"}}


def section(what: str) -> str:
    match = re.search(rf"^## Keys of an? {what}\n(.*?)(?=^## )", PAGE, re.DOTALL | re.MULTILINE)
    assert match is not None, what
    return match[1]


def written(text: str) -> set[str]:
    """Every word that stands in code marks."""
    spans = re.findall(r"`([^`]+)`", text)
    return set(spans) | {word for span in spans for word in re.split(r"\W+", span)}


def words_of(annotation: Any) -> Iterator[str]:
    """The words that a closed list allows, however deep it stands in the type."""
    if get_origin(annotation) is Literal:
        yield from (value for value in get_args(annotation) if isinstance(value, str))
    else:
        for inner in get_args(annotation):
            yield from words_of(inner)


def test_every_model_of_a_source_has_its_section() -> None:
    assert set(MODELS) == set(SECTIONS)


@pytest.mark.parametrize("name", list(SECTIONS))
def test_every_key_and_every_allowed_word_is_on_the_page(name: str) -> None:
    named = written(section(SECTIONS[name]))
    fields = MODELS[name].model_fields
    keys = {field.alias or key for key, field in fields.items()}
    assert keys - SET_BY_PROGRAM.get(name, set()) <= named
    # The words of a dialect are on the page of Open311.
    own = [one for key, one in fields.items() if key in MODELS[name].__annotations__]
    assert {word for one in own for word in words_of(one.annotation)} <= named


def test_every_variable_of_a_yaml_is_listed_with_the_sources_that_it_switches_on() -> None:
    asked: dict[str, set[str]] = {}
    for path in SOURCES_FOLDER.glob("*.yml"):
        for name in re.findall(r"\$\{([A-Z0-9_]+)\}", path.read_text(encoding="utf-8")):
            asked.setdefault(name, set()).add(path.stem)
    codes = {path.stem for path in SOURCES_FOLDER.glob("*.yml")}
    listed: dict[str, set[str]] = {}
    for row in re.findall(r"^\| (`TSUR_[^|]*) \| ([^|]*) \|", PAGE, re.MULTILINE):
        for name in re.findall(r"`([A-Z0-9_]+)`", row[0]):
            listed[name] = set(re.findall(r"`(\w+)`", row[1])) & codes
    assert listed == asked


@pytest.mark.parametrize(
    "path",
    [Path("README.md"), *sorted(p.relative_to(ROOT) for p in (ROOT / "docs").rglob("*.md"))],
    ids=str,
)
def test_a_document_writes_commands_as_they_are_typed(path: Path) -> None:
    # There is no `tsur` on the PATH: the program is ./tsur at the root.
    text = (ROOT / path).read_text(encoding="utf-8")
    assert re.findall(r"(?<![./\w])tsur [a-z].*", text) == []


def test_every_source_stands_on_a_page_of_its_protocol_or_kind() -> None:
    pages = "".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "sources").glob("*.md")
    )
    named = set(re.findall(r"\w+", pages))
    declared = {path.stem for path in SOURCES_FOLDER.glob("*.yml")}
    assert declared, "no source is declared"
    assert declared - named == set()
