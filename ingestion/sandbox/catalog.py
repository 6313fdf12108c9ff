"""Reads what the generator builds on: the seeds of dbt and the grammar beside this module.

Blocks come from the seed ``topic_catalog.csv``, eligibility for the fast track from
``fast_track_topics.csv``, and from nowhere else, so that the sandbox and the warehouse cannot
disagree about them.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

GRAMMAR = Path(__file__).parent / "grammar"
SEEDS = Path(__file__).parents[2] / "dbt_project" / "seeds"
BLOCKS = ("HEALTH", "EDU", "SOC", "HCS", "WASTE", "ROADS", "TRANSPORT", "ENERGY")


@dataclass(frozen=True)
class Body:
    code: str
    region_code: str
    name: str
    aliases: tuple[str, ...]
    kind: str
    block_code: str
    municipality_code: str
    """Set for administrations only: the municipality that they run."""


@dataclass(frozen=True)
class Place:
    """A municipality with the settlement that texts name."""

    code: str
    region_code: str
    name: str
    settlement_kind: str
    settlement: str
    settlement_locative: str
    population: int
    latitude: float
    longitude: float


@dataclass(frozen=True)
class Phrase:
    text: str
    is_state: bool
    """A state that lasts ("~" in the file): a duration may stand before it."""


@dataclass(frozen=True)
class Topic:
    code: str
    block_code: str
    weight: float
    season: str
    pos_labels: tuple[str, str, str]
    register_labels: tuple[str, str]
    service_code: str
    is_fast_track: dict[str, bool]
    """By source code."""
    place_kind: str
    phrases: tuple[Phrase, ...]
    details: tuple[str, ...]
    requests: tuple[str, ...]


@dataclass(frozen=True)
class Catalog:
    bodies: dict[str, Body]
    places: dict[str, list[Place]]
    topics: dict[str, Topic]
    services: dict[str, tuple[str, str]]
    """Code to name and group."""
    administrations: dict[str, Body] = field(default_factory=dict)
    """By municipality code."""
    ministries: dict[tuple[str, str], Body] = field(default_factory=dict)
    """By region and block; a block without a body of its own is with the body next to it."""
    institutions: dict[tuple[str, str], Body] = field(default_factory=dict)


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@lru_cache(maxsize=1)
def _word_lists() -> dict[str, tuple[str, ...]]:
    lists: dict[str, list[str]] = {}
    target: list[str] = []
    for line in (GRAMMAR / "lists.words").read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            target = lists.setdefault(line[1:-1], [])
        else:
            target.extend(word.replace("_", " ") for word in line.split())
    return {name: tuple(words) for name, words in lists.items()}


def word_list(name: str) -> tuple[str, ...]:
    """A list of ``grammar/lists.words``: words between spaces, "_" for a space inside one."""
    return _word_lists()[name]


def _read_grammar() -> dict[str, tuple[str, list[str], list[str], list[str]]]:
    """Topic code to place kind, phrases, details and requests."""
    topics: dict[str, tuple[str, list[str], list[str], list[str]]] = {}
    for path in sorted(GRAMMAR.glob("*.txt")):
        details: list[str] = []
        requests: list[str] = []
        target: list[str] = []
        for raw in path.read_text(encoding="utf-8").splitlines():
            line = raw.strip()
            if not line:
                continue
            if not line.startswith("["):
                target.append(line)
                continue
            heading = line[1:-1].split()
            if heading == ["details"]:
                target = details
            elif heading == ["requests"]:
                target = requests
            else:
                target = []
                topics[heading[0]] = (heading[1], target, details, requests)
    return topics


def load_catalog(seeds: Path = SEEDS) -> Catalog:
    """Reads bodies, municipalities, topics and phrases.

    Raises ``KeyError`` naming the label when the grammar uses one that the seed does not have.
    """
    catalogue = {
        (row["source_code"], row["label_kind"], row["label"]): row
        for row in _rows(seeds / "topic_catalog.csv")
    }
    fast_track = {row["topic_code"] for row in _rows(seeds / "fast_track_topics.csv")}
    services = {
        row["service_code"]: (row["service_name"], row["service_group"])
        for row in _rows(GRAMMAR / "services.csv")
    }
    grammar = _read_grammar()
    topics: dict[str, Topic] = {}
    for row in _rows(GRAMMAR / "topics.csv"):
        code = row["topic_code"]
        pos = catalogue["pos", "topic", row["pos_fact"]]
        register = catalogue["municipal_register", "topic", row["register_topic"]]
        fast = {
            "pos": pos["topic_code"] in fast_track,
            "municipal_register": register["topic_code"] in fast_track,
        }
        service_code = row["open311_service_code"]
        if service_code:
            service = catalogue["open311", "topic", services[service_code][0]]
            fast["open311"] = service["topic_code"] in fast_track
        kind, phrases, details, requests = grammar[code]
        topics[code] = Topic(
            code=code,
            block_code=pos["block_code"],
            weight=float(row["weight"]),
            season=row["season"],
            pos_labels=(row["pos_category"], row["pos_subcategory"], row["pos_fact"]),
            register_labels=(row["register_group"], row["register_topic"]),
            service_code=service_code,
            is_fast_track=fast,
            place_kind=kind,
            phrases=tuple(Phrase(line.lstrip("~"), line.startswith("~")) for line in phrases),
            details=tuple(details),
            requests=tuple(requests),
        )
    settlements = {row["municipality_code"]: row for row in _rows(GRAMMAR / "places.csv")}
    places: dict[str, list[Place]] = defaultdict(list)
    for row in _rows(seeds / "municipalities.csv"):
        place = settlements[row["municipality_code"]]
        places[row["region_code"]].append(
            Place(
                row["municipality_code"],
                row["region_code"],
                row["municipality_name"],
                place["settlement_kind"],
                place["settlement"],
                place["settlement_locative"],
                int(place["population"]),
                float(place["latitude"]),
                float(place["longitude"]),
            )
        )
    bodies: dict[str, Body] = {}
    for row in _rows(seeds / "bodies.csv"):
        municipality = (
            row["body_code"].rpartition("_")[2] if row["body_kind_code"] == "omsu" else ""
        )
        bodies[row["body_code"]] = Body(
            row["body_code"],
            row["region_code"],
            row["body_name"],
            tuple(alias for alias in row["aliases"].split("|") if alias),
            row["body_kind_code"],
            row["block_code"],
            municipality,
        )
    catalog = Catalog(bodies, dict(places), topics, services)
    neighbours = {"WASTE": "HCS", "TRANSPORT": "ROADS", "ENERGY": "HCS"}
    for body in bodies.values():
        if body.kind == "omsu":
            catalog.administrations[body.municipality_code] = body
        elif body.kind == "institution":
            catalog.institutions[body.region_code, body.block_code] = body
        else:
            catalog.ministries[body.region_code, body.block_code] = body
    for region_code in catalog.places:
        for block in BLOCKS:
            if (region_code, block) not in catalog.ministries:
                near = catalog.ministries[region_code, neighbours[block]]
                catalog.ministries[region_code, block] = near
    return catalog
