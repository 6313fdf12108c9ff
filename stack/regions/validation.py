"""What is missing or wrong in the configuration of one region, with what to do about it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from stack.regions.configuration import EVERY_REGION, Configuration, Line, Seed
from stack.regions.contracts import Contract, Requirement, Row, contract_of
from stack.settings import REPOSITORY

# A requirement that obliges: what serves it must be there.
REQUIRED, OUTSIDE_DATA = "required", "required, served outside the data"


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault: the file and its line (None for what is not there), the reason, the remedy."""

    file: str
    row: int | None
    reason: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Checked:
    """The rows of one region in one seed that keep its contract, each with its line."""

    seed: Seed
    contract: Contract
    rows: tuple[tuple[Line, Row], ...]

    def in_force(self, day: date) -> list[tuple[Line, Any]]:
        """Rows in force on a day."""
        return [(line, row) for line, row in self.rows if row.is_in_force(day)]


class Validation:
    """Checks one region on one day; `problems` in the order of the files."""

    def __init__(
        self,
        configuration: Configuration,
        region: str,
        day: date,
        repository: Path = REPOSITORY,
    ) -> None:
        self._all = configuration
        self._region = configuration.known(region)
        self._day = day
        self._repository = repository
        self._checked: dict[str, Checked] = {}
        self.problems: list[Problem] = []
        for seed in configuration.by_region():
            self._check_rows(seed)
        self._check_references()
        self._check_blocks()
        self._check_requirements()

    def _say(self, where: Line | str, reason: str, remedy: str) -> None:
        if isinstance(where, Line):
            path, row = where.file, where.number
        else:
            path, row = self._all.folder / f"{where}.csv", None
        if path.is_relative_to(self._repository):
            path = path.relative_to(self._repository)
        self.problems.append(Problem(str(path), row, reason, remedy))

    # --- rows by themselves ----------------------------------------------------------------------

    def _check_rows(self, seed: Seed) -> None:
        contract = contract_of(seed.name)
        rows = []
        for line in (*seed.of_region(self._region), *seed.of_region(EVERY_REGION)):
            try:
                rows.append((line, contract.row.model_validate(dict(line.cells))))
            except ValidationError as error:
                for fault in error.errors(include_url=False):
                    self._say(line, *_told(line, fault))
        self._checked[seed.name] = Checked(seed, contract, tuple(rows))
        self._check_overlaps(seed.name, contract, rows)
        if contract.is_needed and not any(row.is_in_force(self._day) for _, row in rows):
            self._say(
                seed.name,
                f"no row of {self._region} is in force on {self._day}",
                "add what the act says; where it says nothing, a row that says so",
            )

    def _check_overlaps(self, seed: str, contract: Contract, rows: list[tuple[Line, Row]]) -> None:
        if not contract.key and seed != "regions":
            return
        held = defaultdict(list)
        for line, row in rows:
            whose = line.region if contract.is_overriding else ""
            held[whose, *(line.cells[column] for column in contract.key)].append((line, row))
        for (_, *key), same in held.items():
            same.sort(key=lambda pair: pair[1].valid_from or date.min)
            for (earlier, before), (line, row) in pairwise(same):
                if before.valid_to is None or before.valid_to > (row.valid_from or date.min):
                    named = " · ".join(key) or self._region
                    self._say(
                        line,
                        f"{named} is in force twice: line {earlier.number} has not ended by then",
                        f"give line {earlier.number} a valid_to, or take one of the two out",
                    )

    # --- rows beside other rows ------------------------------------------------------------------

    def _rows(self, seed: str) -> list[tuple[Line, Any]]:
        return list(self._checked[seed].rows) if seed in self._checked else []

    def _must_be(self, line: Line, column: str, value: str | None, known: set[str]) -> None:
        if value is not None and value not in known:
            self._say(
                line,
                f"{column} '{value}' is not known",
                f"give one of {', '.join(sorted(known)) or '(there is none yet)'}",
            )

    def _check_references(self) -> None:
        seeds = self._all.seeds
        blocks = seeds["blocks"].values("block_code")
        kinds = seeds["body_kinds"].values("body_kind_code")
        channels = seeds["channels"].values("channel_code")
        topics = seeds["topics"].values("topic_code")
        roles = {row.role_code for _, row in self._rows("region_roles")}
        bodies = {row.body_code for _, row in self._rows("bodies")}
        for line, row in self._rows("region_blocks"):
            self._must_be(line, "block_code", row.block_code, blocks)
            self._must_be(line, "owner_body_code", row.owner_body_code, bodies)
        for line, row in self._rows("region_channels"):
            self._must_be(line, "channel_code", row.channel_code, channels)
        for line, row in self._rows("region_body_kinds"):
            self._must_be(line, "body_kind_code", row.body_kind_code, kinds)
        for line, row in self._rows("bodies"):
            self._must_be(line, "body_kind_code", row.body_kind_code, kinds)
            self._must_be(line, "block_code", row.block_code, blocks)
        for line, row in self._rows("deadline_rules"):
            self._must_be(line, "topic_code", row.topic_code, topics)
        events = seeds["event_kinds"].values("event_code")
        for line, row in self._rows("workload_norms"):
            self._must_be(line, "event_code", row.event_code, events)
        for line, row in self._rows("region_roles"):
            for code in (row.block_codes or "").split("|"):
                self._must_be(line, "block_codes", code or None, blocks)
        for line, row in self._rows("escalation_paths"):
            self._must_be(line, "from_role_code", row.from_role_code, roles)
            self._must_be(line, "to_role_code", row.to_role_code, roles)
        for line, row in self._rows("approvals"):
            self._must_be(line, "role_code", row.role_code, roles)
        for line, row in self._rows("indicator_sets"):
            code = row.achieved_by_role_code
            self._must_be(line, "achieved_by_role_code", code, roles)
        others = {
            line.cells["body_code"] for line in seeds["bodies"].lines if line.region != self._region
        }
        for line, row in self._rows("bodies"):
            if row.body_code in others:
                self._say(line, "another region has this body_code", "choose one of its own")

    def _check_blocks(self) -> None:
        """Each of the eight has a row: named by the act, or said not to be."""
        told = {row.block_code for _, row in self._checked["region_blocks"].in_force(self._day)}
        for line in self._all.seeds["blocks"].lines:
            code = line.cells["block_code"]
            if line.cells["is_sector"] == "true" and code not in told:
                self._say(
                    "region_blocks",
                    f"block {code} ({line.cells['block_name']}) has no row in force",
                    "add it; is_named_by_act=false where the act does not name it",
                )

    # --- requirements ----------------------------------------------------------------------------

    def _check_requirements(self) -> None:
        in_force = self._checked["requirements"].in_force(self._day)
        told = {row.requirement_code for _, row in in_force}
        wanted: dict[str, str] = {}
        for line in self._all.seeds["requirements"].lines:
            wanted.setdefault(line.cells["requirement_code"], line.cells["requirement_name"])
        # A row that breaks its contract is told of already.
        lines = self._all.seeds["requirements"].of_region(self._region)
        broken = {line.cells["requirement_code"] for line in lines} - {
            row.requirement_code for _, row in self._rows("requirements")
        }
        for code, name in wanted.items():
            if told and code not in told | broken:
                self._say(
                    "requirements",
                    f"requirement {code} («{name}») has no row in force",
                    "add it; state 'outside the act' where the act does not speak of it",
                )
        modules = {
            line.cells["mart"]: line.cells["module_code"]
            for line in self._all.seeds["mart_modules"].lines
        }
        required = {
            modules[row.served_by]
            for _, row in in_force
            if row.state == REQUIRED and row.served_by in modules
        }
        for line, row in in_force:
            self._check_served(line, row, modules, required)

    def _check_served(
        self, line: Line, row: Requirement, modules: dict[str, str], required: set[str]
    ) -> None:
        served = row.served_by
        if row.served_by_kind == "seed":
            self._check_seed(line, served)
        elif row.served_by_kind == "page":
            # An image of the platform comes without docs: there is nowhere to look.
            is_there = (self._repository / served).is_file() or not (
                self._repository / "docs"
            ).is_dir()
            if not served.startswith("docs/") or not is_there:
                self._say(line, f"there is no page {served}", "write it, or name one under docs/")
        elif not any((self._all.folder.parent / "models").rglob(f"{served}.sql")):
            self._say(
                line,
                f"there is no model {served}",
                "name a model of dbt_project/models, a seed, or a page of docs/",
            )
        allowed = {
            REQUIRED: {"model", "seed"},
            OUTSIDE_DATA: {"page"},
        }.get(row.state, {"model", "page"})
        if row.served_by_kind not in allowed:
            self._say(
                line,
                f"'{row.state}' is served by a {row.served_by_kind}",
                f"name a {' or a '.join(sorted(allowed))}",
            )
        if row.state not in (REQUIRED, OUTSIDE_DATA) and row.served_by_kind == "model":
            module = modules.get(served)
            if module is None:
                self._say(
                    line,
                    f"{served} has no module, so it carries no label «вне положения»",
                    "add it to mart_modules.csv, or name the page that says why there is none",
                )
            elif module in required:
                self._say(
                    line,
                    f"{served} is not labelled «вне положения»: another requirement asks for the "
                    f"module {module}",
                    "name the page of docs/ that says why there is none",
                )

    def _check_seed(self, line: Line, served: str) -> None:
        seed = self._all.seeds.get(served)
        if seed is None:
            self._say(line, f"there is no seed {served}", "name a file of the seeds, without .csv")
        elif seed.is_by_region and not seed.of_region(self._region):
            self._say(
                line,
                f"{served} serves it and has no row of {self._region}",
                f"add what the clause says to {served}.csv",
            )


def _told(line: Line, fault: ErrorDetails) -> tuple[str, str]:
    """Reason and remedy of what pydantic says of a row, or of one cell of it."""
    if not fault["loc"]:
        return fault["msg"], "correct the row"
    column = str(fault["loc"][0])
    given = line.cells.get(column, "").strip()
    if not given:
        return f"{column} is empty", f"fill in {column}"
    return f"{column} '{given}': {fault['msg']}", f"correct {column}"


def validate(
    configuration: Configuration, region: str, day: date, repository: Path = REPOSITORY
) -> list[Problem]:
    """Everything that is wrong with a region on a day; empty when nothing is.

    Models are looked for beside the seeds, pages in `repository`.

    Raises ConfigurationError for a region that is not there.
    """
    return Validation(configuration, region, day, repository).problems
