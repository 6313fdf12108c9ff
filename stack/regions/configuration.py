"""The seeds as files: read with the line of every row, written without touching other regions."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from stack.settings import REPOSITORY

SEEDS_FOLDER = REPOSITORY / "dbt_project" / "seeds"
REGION_COLUMN = "region_code"
EVERY_REGION = "*"


class ConfigurationError(ValueError):
    """A file of the configuration cannot be read, or names what is not there."""


@dataclass(frozen=True, slots=True)
class Line:
    """One row: its cells by column, its text as it stands in the file, and where that is."""

    file: Path
    number: int
    text: str
    cells: Mapping[str, str]

    @property
    def region(self) -> str:
        return self.cells[REGION_COLUMN]


@dataclass(frozen=True, slots=True)
class Seed:
    """One CSV: a heading and its rows, in the order of the file."""

    name: str
    heading: tuple[str, ...]
    lines: tuple[Line, ...]

    @property
    def is_by_region(self) -> bool:
        return REGION_COLUMN in self.heading

    def of_region(self, region: str) -> tuple[Line, ...]:
        """The rows that stand under a code: of one region, or of every region (`*`)."""
        return tuple(line for line in self.lines if line.region == region)

    def values(self, column: str) -> set[str]:
        """What stands in a column, in any row."""
        return {line.cells[column] for line in self.lines}

    def with_region(self, region: str, lines: Iterable[Line]) -> Seed:
        """The same seed with these rows for the region, where its rows stood or at the end."""
        others = [line for line in self.lines if line.region != region]
        first = next(
            (place for place, line in enumerate(self.lines) if line.region == region),
            len(self.lines),
        )
        place = sum(line.region != region for line in self.lines[:first])
        return replace(self, lines=(*others[:place], *lines, *others[place:]))

    def under(self, heading: tuple[str, ...]) -> Seed:
        """The same rows under the columns of another heading; what is not there is empty."""
        if heading == self.heading:
            return self
        lines = []
        for line in self.lines:
            cells = {column: line.cells.get(column, "") for column in heading}
            lines.append(replace(line, text=_written([cells.values()]), cells=cells))
        return replace(self, heading=heading, lines=tuple(lines))

    def text(self) -> str:
        """The file that holds it."""
        return _written([self.heading]) + "".join(line.text for line in self.lines)


def _written(rows: Iterable[Iterable[str]]) -> str:
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows(rows)
    return file.getvalue()


def read_seed(path: Path) -> Seed:
    """One CSV in UTF-8 with a heading. ConfigurationError names the line that does not fit."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path} is not UTF-8: save it as «CSV UTF-8»") from None
    physical = list(io.StringIO(text, newline=""))
    reader = csv.reader(physical, strict=True)
    try:
        heading = tuple(next(reader, []))
        if not heading:
            raise ConfigurationError(f"{path} is empty: it needs a heading")
        lines = []
        done = reader.line_num
        for values in reader:
            number, end = done + 1, reader.line_num
            done = end
            if not any(values):
                continue
            if len(values) != len(heading):
                raise ConfigurationError(
                    f"{path}, line {number}: {len(values)} cells under {len(heading)} headings; "
                    "quote a cell that holds a comma"
                )
            raw = "".join(physical[number - 1 : end]).rstrip("\r\n") + "\n"
            cells = dict(zip(heading, values, strict=True))
            lines.append(Line(path, number, raw, cells))
    except csv.Error as error:
        raise ConfigurationError(f"{path}, line {reader.line_num}: {error}") from None
    return Seed(path.stem, heading, tuple(lines))


@dataclass(frozen=True, slots=True)
class Configuration:
    """Every seed of a folder, by name."""

    folder: Path
    seeds: Mapping[str, Seed]

    @property
    def regions(self) -> tuple[str, ...]:
        """The codes of all regions, in the order of the seed `regions`."""
        return tuple(dict.fromkeys(line.region for line in self.seeds["regions"].lines))

    def by_region(self) -> Iterator[Seed]:
        """The seeds that hold configuration of regions, `regions` first."""
        found = [seed for seed in self.seeds.values() if seed.is_by_region]
        return iter(sorted(found, key=lambda seed: (seed.name != "regions", seed.name)))

    def known(self, region: str) -> str:
        """The code itself; ConfigurationError when there is no such region."""
        if region not in self.regions:
            hint = f"there are {', '.join(self.regions)}"
            raise ConfigurationError(f"no region '{region}' in {self.folder}; {hint}")
        return region


def load_configuration(folder: Path = SEEDS_FOLDER) -> Configuration:
    """All seeds of a folder; ConfigurationError when it is no folder of seeds."""
    seeds = {path.stem: read_seed(path) for path in sorted(folder.glob("*.csv"))}
    if "regions" not in seeds:
        raise ConfigurationError(f"{folder} holds no regions.csv: it is no folder of seeds")
    return Configuration(folder, seeds)


def region_of_folder(folder: Path) -> str:
    """The one region that a region's own folder describes."""
    seed = read_seed(folder / "regions.csv")
    codes = sorted(seed.values(REGION_COLUMN)) if seed.is_by_region else []
    if len(codes) != 1:
        raise ConfigurationError(
            f"{folder / 'regions.csv'} names {', '.join(codes) or 'no region'}; "
            "a folder describes one region"
        )
    return codes[0]


def with_folder(configuration: Configuration, folder: Path) -> tuple[Configuration, str]:
    """The configuration as it would be with the region of a folder in it, and the region's code.

    A file that the folder lacks leaves the region without rows there, a column that a file lacks
    is empty. ConfigurationError when a file is not one of the seeds, has a heading that its seed
    has not, or speaks of another region.
    """
    if not (folder / "regions.csv").is_file():
        raise ConfigurationError(f"{folder} holds no regions.csv: `tsur region new` makes a folder")
    region = region_of_folder(folder)
    given = {path.stem: read_seed(path) for path in sorted(folder.glob("*.csv"))}
    wanted = {seed.name: seed for seed in configuration.by_region()}
    for name, seed in given.items():
        path = folder / f"{name}.csv"
        if name not in wanted:
            raise ConfigurationError(
                f"{path}: no seed of regions has this name; there are {', '.join(sorted(wanted))}"
            )
        strangers = sorted(set(seed.heading) - set(wanted[name].heading))
        if strangers or len(set(seed.heading)) < len(seed.heading):
            raise ConfigurationError(
                f"{path}: {', '.join(strangers) or 'a repeated heading'} is no column of the seed; "
                f"its columns are {', '.join(wanted[name].heading)}"
            )
        for line in seed.lines:
            if line.region != region:
                raise ConfigurationError(
                    f"{path}, line {line.number}: region '{line.region}' in the folder of "
                    f"'{region}'"
                )
    seeds = dict(configuration.seeds)
    for name, seed in wanted.items():
        lines = given[name].under(seed.heading).lines if name in given else ()
        seeds[name] = seed.with_region(region, lines)
    return replace(configuration, seeds=seeds), region


def write_configuration(configuration: Configuration) -> list[Path]:
    """Writes the seeds whose text has changed; their paths."""
    changed = []
    for seed in configuration.by_region():
        path = configuration.folder / f"{seed.name}.csv"
        text = seed.text()
        if path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            changed.append(path)
    return changed


def export_region(configuration: Configuration, region: str, folder: Path) -> list[Path]:
    """Writes the region as a folder of its own, every seed with its heading; the paths."""
    configuration.known(region)
    parts = {
        seed.name: replace(seed, lines=seed.of_region(region)) for seed in configuration.by_region()
    }
    return _write_folder(folder, parts)


def new_region(
    configuration: Configuration, region: str, folder: Path, like: str | None = None
) -> list[Path]:
    """A folder to fill in: headings, and the rows that every region must have.

    `like` names a region whose act is similar: its states and what serves them are proposed.
    Clauses and dates stay empty in any case, so that `tsur region validate` asks for each.
    """
    if region in configuration.regions:
        raise ConfigurationError(f"'{region}' is there already: `tsur region export` writes it out")
    if like is not None:
        configuration.known(like)
    parts = {}
    for seed in configuration.by_region():
        rows = [{"region_code": region, **row} for row in _proposed(configuration, seed.name, like)]
        text = [[row.get(column, "") for column in seed.heading] for row in rows]
        lines = tuple(
            Line(folder / f"{seed.name}.csv", number, _written([cells]), {})
            for number, cells in enumerate(text, start=2)
        )
        parts[seed.name] = replace(seed, lines=lines)
    return _write_folder(folder, parts)


def _proposed(
    configuration: Configuration, seed: str, like: str | None
) -> Iterator[dict[str, str]]:
    seeds = configuration.seeds
    if seed == "regions":
        yield {"calendar_code": "ru", "is_demo": "false"}
    elif seed == "requirements":
        model = like or seeds["requirements"].lines[0].region
        kept = ["requirement_code", "requirement_name", "sort_order"]
        if like is not None:
            kept += ["state", "served_by", "served_by_kind"]
        for line in seeds["requirements"].of_region(model):
            if not line.cells["valid_to"]:
                yield {column: line.cells[column] for column in kept}
    elif seed == "region_blocks":
        for line in seeds["blocks"].lines:
            if line.cells["is_sector"] == "true":
                yield {"block_code": line.cells["block_code"]}
    elif seed == "region_channels":
        yield from ({"channel_code": code} for code in _column(seeds["channels"], "channel_code"))
    elif seed == "region_body_kinds":
        kinds = _column(seeds["body_kinds"], "body_kind_code")
        yield from ({"body_kind_code": code} for code in kinds if code != "observed")


def _column(seed: Seed, column: str) -> list[str]:
    return [line.cells[column] for line in seed.lines]


def _write_folder(folder: Path, parts: Mapping[str, Seed]) -> list[Path]:
    if folder.exists() and any(folder.iterdir()):
        raise ConfigurationError(f"{folder} is not empty: give a new folder")
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, seed in parts.items():
        path = folder / f"{name}.csv"
        path.write_text(seed.text(), encoding="utf-8")
        paths.append(path)
    return paths
