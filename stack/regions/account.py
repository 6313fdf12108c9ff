"""What a region's act asks for, clause by clause, and in what two regions differ."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from pydantic import ValidationError

from stack.regions.configuration import Configuration, ConfigurationError, Line
from stack.regions.contracts import Requirement, contract_of

STATES = {
    "required": "требуется",
    "term only": "только термин",
    "outside the act": "вне положения",
    "required, served outside the data": "требуется, исполняется вне данных",
}
# Every act has its own; that they differ says nothing.
_OF_EACH_ACT = ("region_code", "valid_from", "valid_to", "clause")


def explain(configuration: Configuration, region: str, day: date) -> list[Requirement]:
    """The requirements of a region in force on a day, in the order of the table of the acts.

    Raises ConfigurationError when there is no such region, its act is not in the configuration, or
    a row breaks its contract.
    """
    configuration.known(region)
    told = []
    for line in configuration.seeds["requirements"].of_region(region):
        try:
            requirement = Requirement.model_validate(dict(line.cells))
        except ValidationError:
            raise ConfigurationError(
                f"{line.file}, line {line.number} is not a requirement: "
                f"`tsur region validate {region}` says why"
            ) from None
        if requirement.is_in_force(day):
            told.append(requirement)
    if not told:
        raise ConfigurationError(
            f"no requirement of '{region}' is in force on {day}: its act is not in "
            "requirements.csv, or not yet in force"
        )
    return sorted(told, key=lambda requirement: requirement.sort_order)


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing in which two regions differ; None stands for a row that is not there.

    `key` names the row within the seed, `column` the cell, or is empty where a whole row is on one
    side only. `first_clause` and `second_clause` say where the acts speak of it.
    """

    seed: str
    key: str
    column: str
    first: str | None
    second: str | None
    first_clause: str | None
    second_clause: str | None


def diff(configuration: Configuration, first: str, second: str, day: date) -> list[Difference]:
    """In what the configuration of two regions differs on a day.

    Bodies and municipalities are each region's own and are not compared; nor are clauses and dates.
    """
    configuration.known(first)
    configuration.known(second)
    found = []
    for seed in configuration.by_region():
        contract = contract_of(seed.name)
        if not contract.is_compared:
            continue
        sides = [
            {
                " · ".join(line.cells[column] for column in contract.key): line
                for line in seed.of_region(region)
                if _is_in_force(line, day)
            }
            for region in (first, second)
        ]
        columns = [
            column
            for column in seed.heading
            if column not in _OF_EACH_ACT and column not in contract.key
        ]
        for key in dict.fromkeys([*sides[0], *sides[1]]):
            found += _differences(seed.name, key, columns, sides[0].get(key), sides[1].get(key))
    return found


def _differences(
    seed: str, key: str, columns: list[str], first: Line | None, second: Line | None
) -> list[Difference]:
    clauses = [None if line is None else line.cells.get("clause") for line in (first, second)]
    if first is None or second is None:
        whole = [
            None if line is None else _summary([line.cells[column] for column in columns])
            for line in (first, second)
        ]
        return [Difference(seed, key, "", whole[0], whole[1], clauses[0], clauses[1])]
    return [
        Difference(
            seed,
            key,
            column,
            first.cells[column],
            second.cells[column],
            clauses[0],
            clauses[1],
        )
        for column in columns
        if first.cells[column] != second.cells[column]
    ]


def _summary(cells: list[str]) -> str:
    return "; ".join(cell for cell in cells if cell) or "есть"


def _is_in_force(line: Line, day: date) -> bool:
    """By its dates as they stand: a broken row is a matter of validation, not of comparing."""
    begins, ends = line.cells.get("valid_from", ""), line.cells.get("valid_to", "")
    return (not begins or begins <= day.isoformat()) and (not ends or day.isoformat() < ends)
