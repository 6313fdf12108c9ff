"""The five regions of the sandbox: zones, number prefixes, public pages, yearly spikes."""

from __future__ import annotations

from dataclasses import dataclass
from zoneinfo import ZoneInfo


@dataclass(frozen=True)
class Spike:
    """A mass problem that comes back every year at the same season."""

    month: int
    day: int
    days: int
    topic_code: str
    strength: float
    """Extra cases a day, as a share of the region's usual day."""


@dataclass(frozen=True)
class Wall:
    """A VK wall; ``is_body`` walls are kept by an authority, the others by a city community."""

    owner_id: int
    name: str
    screen_name: str
    is_body: bool


@dataclass(frozen=True)
class Region:
    """One region; ``oktmo`` is the two-digit prefix of its municipalities and of its numbers."""

    code: str
    name: str
    zone: ZoneInfo
    oktmo: str
    share: float
    spike: Spike
    walls: tuple[Wall, ...]


REGIONS: dict[str, Region] = {
    region.code: region
    for region in (
        Region(
            "tambov",
            "Тамбовская область",
            ZoneInfo("Europe/Moscow"),
            "68",
            0.18,
            Spike(2, 3, 12, "roads_snow", 0.9),
            (
                Wall(-168000001, "Правительство Тамбовской области", "gov_68", True),
                Wall(-168000002, "Тамбов. Слово горожан", "slovo_68", False),
                Wall(-168000003, "Мичуринск — наш город", "michurinsk_68", False),
            ),
        ),
        Region(
            "pskov",
            "Псковская область",
            ZoneInfo("Europe/Moscow"),
            "58",
            0.15,
            Spike(11, 14, 9, "energy_outage", 1.0),
            (
                Wall(-158000001, "Правительство Псковской области", "gov_58", True),
                Wall(-158000002, "Псков. Городская лента", "pskov_lenta_58", False),
                Wall(-158000003, "Великие Луки онлайн", "vluki_58", False),
            ),
        ),
        Region(
            "jewish_ao",
            "Еврейская автономная область",
            ZoneInfo("Asia/Vladivostok"),
            "99",
            0.10,
            Spike(8, 8, 12, "roads_drain", 0.9),
            (
                Wall(-199000001, "Правительство ЕАО", "gov_79", True),
                Wall(-199000002, "Биробиджан — жалобы и предложения", "bira_79", False),
            ),
        ),
        Region(
            "chelyabinsk",
            "Челябинская область",
            ZoneInfo("Asia/Yekaterinburg"),
            "75",
            0.31,
            Spike(1, 3, 12, "waste_pickup", 0.9),
            (
                Wall(-174000001, "Правительство Челябинской области", "gov_74", True),
                Wall(-174000002, "Челябинск. Говорят дворы", "chel_74", False),
                Wall(-174000003, "Магнитогорск сегодня", "mgn_74", False),
            ),
        ),
        Region(
            "samara",
            "Самарская область",
            ZoneInfo("Europe/Samara"),
            "36",
            0.26,
            Spike(1, 12, 10, "hcs_heating", 1.0),
            (
                Wall(-163000001, "Правительство Самарской области", "gov_63", True),
                Wall(-163000002, "Самара. Происшествия и проблемы", "samara_63", False),
                Wall(-163000003, "Тольятти. Говорят жители", "tlt_63", False),
            ),
        ),
    )
}

NO_ROSTER: frozenset[tuple[str, str]] = frozenset({("jewish_ao", "ENERGY")})
"""Region and block without a duty roster, so that "not computed" has a case (DOMAIN.md 5.8)."""
