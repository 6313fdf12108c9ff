"""What the other networks and the local media of the sandbox publish: a text every second day.

Made of the same words as everything else, by seeds of their own: neither the records of the other
sources nor their truth change, and a later ``as_of`` adds to what is there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from random import Random

from ingestion.sandbox.catalog import Catalog
from ingestion.sandbox.people import Person, invent_person
from ingestion.sandbox.texts import (
    STREETS,
    Address,
    compose_announcement,
    compose_complaint,
    compose_reply,
)
from ingestion.sandbox.world import EPOCH, World

DAYS = 60
"""How far back an outlet reaches."""
_AUTHORS = 12


@dataclass(frozen=True)
class Publication:
    """One text of an outlet; ``person`` is None for what its keeper writes. Times are local."""

    number: int
    at: datetime
    text: str
    person: Person | None
    account: str
    is_edited: bool = False
    is_forwarded: bool = False
    answers: tuple[Publication, ...] = ()
    answered: int | None = None
    """The number of the comment that this one answers."""


def account(network: str, applicant: str) -> int:
    """The number of a citizen in a network."""
    digest = hashlib.sha256(f"{network}|{applicant}".encode()).hexdigest()
    return 200_000_000_000 + int(digest[:9], 16)


def publications(
    world: World, region_code: str, outlet: str, *, is_body: bool
) -> list[Publication]:
    """The texts of an outlet, the oldest first: announcements of a body, or what citizens write.

    What is published by a body is commented on by citizens, and the body answers some.
    """
    return list(_publications(world, region_code, outlet, is_body))


def _publications(
    world: World, region_code: str, outlet: str, is_body: bool
) -> Iterator[Publication]:
    now = world.local_as_of[region_code]
    day = now.date() - timedelta(days=DAYS)
    while day <= now.date():
        index = (day - EPOCH).days
        rng = Random(f"{world.seed}|{region_code}|{outlet}|{day.isoformat()}")
        at = datetime.combine(day, time(rng.randrange(8, 21), rng.randrange(60), rng.randrange(60)))
        if index % 2 == 0 and at <= now:
            if is_body:
                yield _announcement(world, region_code, outlet, index, at, now)
            else:
                yield replace(
                    _complaint(world.catalog, world.seed, region_code, rng, index, at),
                    is_edited=rng.random() < 0.2,
                    is_forwarded=rng.random() < 0.15,
                )
        day += timedelta(days=1)


def _announcement(
    world: World, region_code: str, outlet: str, index: int, at: datetime, now: datetime
) -> Publication:
    rng = Random(f"{world.seed}|{region_code}|{outlet}|announce|{index}")
    answers = []
    for ordinal in range(rng.randint(0, 3)):
        asked = at + timedelta(minutes=rng.randint(5, 900))
        number = index * 100 + ordinal * 2
        answers.append(_complaint(world.catalog, world.seed, region_code, rng, number, asked))
        if rng.random() < 0.4:
            said = asked + timedelta(minutes=rng.randint(30, 300))
            phone = f"+7{4000000000 + rng.randrange(10**9)}"
            text = compose_reply(rng, day=said.date(), phone=phone)
            answers.append(Publication(number + 1, said, text, None, "", answered=number))
    return Publication(
        index,
        at,
        compose_announcement(rng, day=at.date()),
        None,
        "",
        answers=tuple(one for one in answers if one.at <= now),
    )


def _complaint(
    catalog: Catalog, seed: int, region_code: str, rng: Random, number: int, at: datetime
) -> Publication:
    who = f"{region_code}-{rng.randrange(_AUTHORS)}"
    person = invent_person(Random(f"{seed}|publications|{who}"))
    text = compose_complaint(
        rng,
        topic=rng.choice(list(catalog.topics.values())),
        address=_address(catalog, region_code, rng),
        person=person,
        day=at.date(),
        manner="chat",
    )
    return Publication(number, at, text, person, who)


def _address(catalog: Catalog, region_code: str, rng: Random) -> Address:
    place = rng.choice(catalog.places[region_code])
    street, bent = rng.choice(STREETS)
    house = str(rng.randint(1, 90))
    return Address(place, street, bent, house, 1, place.latitude, place.longitude)
