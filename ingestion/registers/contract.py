"""What a YAML says about a register that people keep, beyond where its fields come from."""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

SEEDS_FOLDER = Path(__file__).resolve().parents[2] / "dbt_project" / "seeds"

# The column that a check adds to a file it sends back; it is known to every register.
REMARKS_COLUMN = "Что исправить"

# What an example may be: as YAML reads it.
Example = datetime | date | bool | int | float | str

# The quotation marks are those that `match_key` of the models leaves out too.
_ONE_SPELLING = str.maketrans(dict.fromkeys("«»“”„‟\"'", "") | {"–": "-", "—": "-", "ё": "е"})


def folded(text: str) -> str:
    """One spelling of a value: case, spaces, Ё, quotation marks, kinds of dashes do not count."""
    return " ".join(text.casefold().translate(_ONE_SPELLING).split())


def is_formula_text(value: Any) -> bool:
    """True for a formula as a reader gives it, and for a text that a table program would compute.

    Nobody keeps a register in formulas: what they show changes with the program and the day.
    """
    return isinstance(value, str) and value.startswith("=")


@lru_cache
def seed_rows(seed: str) -> tuple[dict[str, str], ...]:
    """The rows of a seed of the reference. FileNotFoundError when there is none of that name."""
    with (SEEDS_FOLDER / seed).open(encoding="utf-8", newline="") as file:
        return tuple(csv.DictReader(file))


@lru_cache
def _sources_of(role: str) -> tuple[tuple[str, str, frozenset[str]], ...]:
    """Code, description and regions of every declared source with records of a role."""
    from ingestion.source import SOURCES_FOLDER, load_sources

    return tuple(
        (source.code, source.description.ru, frozenset(one.code for one in source.regions))
        for source in load_sources(SOURCES_FOLDER, {}).values()
        if any(entity.role == role for entity in source.entities.values())
    )


@dataclass(frozen=True, slots=True)
class Option:
    """One value of a list; `spellings` are folded, its own among them."""

    value: str
    spellings: frozenset[str]
    valid_from: date | None = None
    valid_to: date | None = None

    def is_valid(self, day: date) -> bool:
        """True from `valid_from`, as long as `valid_to` has not come."""
        has_begun = self.valid_from is None or self.valid_from <= day
        return has_begun and (self.valid_to is None or day < self.valid_to)


class _Declaration(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Choices(_Declaration):
    """Values that a field may hold: a column of a seed of the reference, words, or sources.

    Of a seed with `region_code` only the rows of the region count, and with `where` only those
    that hold these values. `aliases` is its column of further spellings, separated by `|`. With
    `when` (canonical field → values) the list counts only for such records. `offered: false`:
    accepted, but not in the drop-down. `sources: case` are the declared sources that deliver
    records of the role for the region, by the name that the seed has for their `source_code`,
    otherwise by their description; both are accepted, and so is the code.
    """

    sources: str | None = None
    seed: str | None = None
    column: str | None = None
    aliases: str | None = None
    where: dict[str, str] = Field(default_factory=dict)
    words: tuple[str, ...] = ()
    when: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    offered: bool = True

    @model_validator(mode="after")
    def _there(self) -> Choices:
        if bool(self.words) == (self.seed is not None or self.sources is not None):
            raise ValueError("choices: give either a seed with its column, or words, or sources")
        if self.seed is None:
            return self
        try:
            known = seed_rows(self.seed)[0]
        except (OSError, IndexError):
            raise ValueError(f"choices: there is no seed {self.seed} with rows") from None
        wanted = {self.column, self.aliases, *self.where} - {None} if self.column else {""}
        wanted |= {"source_code"} if self.sources else set()
        missing = sorted(str(name) for name in wanted if name not in known)
        if missing:
            raise ValueError(
                f"choices: {self.seed} has no column {', '.join(missing) or '(none given)'}; "
                f"it has {', '.join(known)}"
            )
        return self

    def options(self, regions: Collection[str]) -> Iterator[Option]:
        """Its values for the regions, whenever they were or will be valid, in the seed's order."""
        for word in self.words:
            yield Option(word, frozenset((folded(word),)))
        if self.sources is not None:
            yield from self._of_sources(self.sources, regions)
            return
        if self.seed is None or self.column is None:
            return
        for row in seed_rows(self.seed):
            if row.get("region_code", "*") not in {"*", *regions}:
                continue
            if any(row[name] != value for name, value in self.where.items()):
                continue
            value = row[self.column]
            others = row[self.aliases].split("|") if self.aliases else ()
            yield Option(
                value,
                frozenset(folded(one) for one in (value, *others) if one),
                _day(row.get("valid_from")),
                _day(row.get("valid_to")),
            )

    def _of_sources(self, role: str, regions: Collection[str]) -> Iterator[Option]:
        rows = seed_rows(self.seed) if self.seed else ()
        names = {row["source_code"]: row[self.column] for row in rows if self.column}
        for code, description, delivered in _sources_of(role):
            if not delivered.isdisjoint(regions):
                spellings = {code, description, name := names.get(code, description)}
                yield Option(name, frozenset(folded(one) for one in spellings))


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None


class ColumnText(_Declaration):
    """A column that is the key and nothing else."""

    explanation: str = Field(min_length=3)
    example: Example


class Template(_Declaration):
    """What the person who keeps the register reads; its presence makes `tsur register` know it.

    `clauses` are, by region, the places of its act that ask for the register; a region without
    one keeps it «вне положения». `columns` explains the columns that no rule of `record` reads
    (numbers that are the key).
    """

    title: str = Field(min_length=5)
    purpose: str = Field(min_length=10)
    clauses: dict[str, str] = Field(default_factory=dict)
    columns: dict[str, ColumnText] = Field(default_factory=dict)

    @field_validator("columns")
    @classmethod
    def _not_ours(cls, value: dict[str, ColumnText]) -> dict[str, ColumnText]:
        if REMARKS_COLUMN in value:
            raise ValueError(f"{REMARKS_COLUMN} is the column of the check: name it otherwise")
        return value
