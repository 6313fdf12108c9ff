"""Exports that people bring as files: Инцидент Менеджмент, the 59-ФЗ register, VK searches.

Nothing serves them, so they are written to folders. What stands in them happened in the world: the
posts of the city communities are what the incident management takes up, the appeals under 59-ФЗ of
the feedback platform come again in the register with their number. Columns: DOMAIN.md 2.3.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from random import Random

from ingestion.sandbox.people import Person, invent_person
from ingestion.sandbox.regions import REGIONS
from ingestion.sandbox.texts import compose_complaint, compose_reply
from ingestion.sandbox.vk import user_id
from ingestion.sandbox.workbook import Cell, write_csv, write_xlsx
from ingestion.sandbox.world import Case, World

INCIDENT_COLUMNS = (
    "Номер инцидента",
    "Дата создания",
    "Дата окончания",
    "Отдел",
    "Исполнитель",
    "Время с начала создания инцидента до окончания",
    "Текущий шаг инцидента",
    "Группа тем",
    "Тема",
    "Регион",
    "Муниципалитет",
    "Населённый пункт",
    "Улица",
    "Дом",
    "Тип инцидента",
    "Итог",
    "Теги",
    "Текст инцидента",
    "1ый ответ ПИ",
)
_REPLY, _ADDRESS = {"1ый ответ ПИ"}, {"Населённый пункт", "Улица", "Дом"}
LAYOUTS: dict[str, tuple[str, ...]] = {
    "short": ("Номер инцидента", "Дата создания", "Тема", "Текст инцидента"),
    "without_address": tuple(name for name in INCIDENT_COLUMNS if name not in _ADDRESS),
    "without_reply": tuple(name for name in INCIDENT_COLUMNS if name not in _REPLY),
    "full": INCIDENT_COLUMNS,
}
"""The four layouts of the incident management; the oldest incidents are in the shortest."""

EDMS_COLUMNS = (
    "Вид",
    "№ РК",
    "Дата рег.",
    "Содержание",
    "Корр./Подписал",
    "План (РК)",
    "Факт (РК)",
    "Группа документов – индекс",
    "Сопровод. документ",
    "Кому",
    "Рубрика",
    "Вид доставки РК",
    "Сообщение ПОС №",
)
FOUND_COLUMNS = (
    "ССЫЛКА",
    "ССЫЛКА С УЧЁТОМ ВЛАДЕЛЬЦА",
    "АВТОР",
    "ССЫЛКА НА АВТОРА",
    "ДАТА И ВРЕМЯ",
    "ТЕКСТ",
    "ПРОСМОТРОВ",
    "ЛАЙКОВ",
    "РЕПОСТОВ",
    "КОММЕНТАРИЕВ",
)
_SHORT_MONTHS = (
    *("янв", "фев", "мар", "апр", "мая", "июн"),
    *("июл", "авг", "сен", "окт", "ноя", "дек"),
)
_PRINTED_ROWS = 8
"""Rows of the register on a printed page: their texts are long."""


@dataclass(frozen=True)
class Export:
    """A written file, how many records it holds, and the variable that names its folder."""

    variable: str
    folder: Path
    path: Path
    records: int


def _day(value: date | None) -> str:
    return "" if value is None else value.strftime("%d.%m.%Y")


def _second(value: datetime | None) -> str:
    return "" if value is None else value.strftime("%d.%m.%Y %H:%M:%S")


# --- Инцидент Менеджмент -------------------------------------------------------------------------


def _posts(world: World, region: str) -> list[Case]:
    return [case for case in world.of(region, "vk") if case.kind == "post"]


def incidents(world: World, region: str) -> list[dict[str, Cell]]:
    """Every post of a citizen as an incident with all columns, in the order of receipt."""
    return [_incident(world, case) for case in _posts(world, region) if case.is_case]


def _incident(world: World, case: Case) -> dict[str, Cell]:
    rng = Random(f"incident|{world.seed}|{case.region_code}|{case.native_id}")
    region = REGIONS[case.region_code]
    group, theme = case.topic.register_labels if case.topic else ("Иное", "Иное")
    mark = "★ " if rng.random() < 0.1 else ""
    planned = case.received_at + timedelta(hours=rng.uniform(2, 240))
    answered = case.received_at + timedelta(hours=rng.uniform(1, 24))
    result, kind = rng.choice(
        (
            ("Решено", "Решаемый"),
            ("Решено", "Решаемый"),
            ("Не решено", "Не решаемый"),
            ("Отложено", "Решаемый"),
            ("Решено", "Информационный"),
        )
    )
    now = world.local_as_of[case.region_code]
    closed = planned if planned <= now else None
    took = (closed - case.received_at) if closed else None
    seconds = int(took.total_seconds()) if took else 0
    reply = compose_reply(
        rng, day=answered.date(), phone=f"+7{4_000_000_000 + rng.randrange(10**9)}"
    )
    return {
        "Номер инцидента": f"{region.oktmo}{case.post_id:010d}",
        "Дата создания": _second(case.received_at),
        "Дата окончания": _second(closed),
        "Отдел": f"Сектор «{group}»",
        "Исполнитель": case.body.name,
        "Время с начала создания инцидента до окончания": (
            f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}" if took else ""
        ),
        "Текущий шаг инцидента": "Готово" if closed else rng.choice(("В работе", "На проверке")),
        "Группа тем": group,
        "Тема": f"{mark}{theme}",
        "Регион": region.name,
        "Муниципалитет": case.address.place.name,
        "Населённый пункт": case.address.place.settlement,
        "Улица": case.address.street,
        "Дом": case.address.house,
        "Тип инцидента": kind,
        "Итог": result if closed else "",
        "Теги": theme.split()[0].lower(),
        "Текст инцидента": case.text,
        "1ый ответ ПИ": reply if answered <= now else "",
    }


def incident_workbook(layout: str, rows: Sequence[dict[str, Cell]]) -> bytes:
    """An export in one of the `LAYOUTS`."""
    names = LAYOUTS[layout]
    return write_xlsx("Инциденты", names, [[row[name] for name in names] for row in rows])


# --- the register of appeals under 59-ФЗ ---------------------------------------------------------


def edms_rows(world: World, region: str) -> list[list[Cell]]:
    """The register: appeals that came through the feedback platform, and letters on paper."""
    came = [case for case in world.of(region, "pos") if case.is_59fz and not case.is_bad]
    found: list[tuple[datetime, list[Cell]]] = []
    for number, case in enumerate(came, start=1):
        rng = Random(f"edms|{world.seed}|{region}|{case.native_id}")
        closed = case.cycles[-1].closed_at
        row = _edms_row(
            rng, world, case, case.person, case.received_at, closed, case.text, 2 * number
        )
        found.append((case.received_at, [*row, "ПОС", case.native_id]))
        if rng.random() < 0.3:
            found.append(_paper(rng, world, case, 2 * number + 1))
    return [row for _, row in sorted(found, key=lambda one: one[0])]


def _paper(rng: Random, world: World, like: Case, number: int) -> tuple[datetime, list[Cell]]:
    """A letter of somebody else about the same topic."""
    person = invent_person(rng)
    at = like.received_at
    text = like.text
    if like.topic is not None:
        text = compose_complaint(
            rng,
            topic=like.topic,
            address=like.address,
            person=person,
            day=at.date(),
            manner="letter",
        )
    planned = at + timedelta(days=rng.uniform(3, 29))
    closed = planned if planned <= world.local_as_of[like.region_code] else None
    row = _edms_row(rng, world, like, person, at, closed, text, number)
    return at, [*row, rng.choice(("Почта", "Личный приём", "Электронная почта")), ""]


def _edms_row(
    rng: Random,
    world: World,
    case: Case,
    person: Person,
    at: datetime,
    closed: datetime | None,
    text: str,
    number: int,
) -> list[Cell]:
    topics = list(world.catalog.topics)
    place = topics.index(case.topic.code) if case.topic else len(topics)
    return [
        rng.choice(("Обращение", "Обращение", "Заявление", "Жалоба", "Предложение")),
        # What was registered with another document has no number of its own.
        "" if number % 9 == 4 else f"{person.surname[0]}-{at:%y}-{number}",
        _day(at),
        text,
        person.short_name,
        _day(at + timedelta(days=30)),
        _day(closed),
        "ОГ",
        "" if rng.random() < 0.7 else f"Исх-{rng.randrange(1, 2000)}",
        invent_person(rng).short_name,
        f"0002.{place // 10 + 1:04d}.{place % 10 + 100:04d}.{rng.randrange(1, 900):04d}",
    ]


def edms_workbook(rows: Sequence[Sequence[Cell]], *, title: str = "") -> bytes:
    """The register as it is printed: titles, a heading on every page, a footer.

    Every second page has its last two columns the other way round.
    """

    def printed() -> Iterator[Sequence[Cell]]:
        yield [title]
        yield []
        for page, start in enumerate(range(0, max(1, len(rows)), _PRINTED_ROWS)):
            for row in (EDMS_COLUMNS, *rows[start : start + _PRINTED_ROWS]):
                yield [*row[:-2], row[-1], row[-2]] if page % 2 else row
        yield [f"Итого: {len(rows)}"]

    return write_xlsx("Реестр", ["Реестр обращений граждан"], printed())


# --- searches of VK saved by hand ----------------------------------------------------------------


def found_rows(world: World, region: str) -> Iterator[list[Cell]]:
    """The posts of the region's walls as a search lists them, the newest first."""
    walls = {wall.owner_id: wall for wall in REGIONS[region].walls}
    this_year = world.local_as_of[region].year
    for case in reversed(_posts(world, region)):
        rng = Random(f"found|{world.seed}|{case.native_id}")
        at, club = case.received_at, -case.wall_id
        day = f"{at.day} {_SHORT_MONTHS[at.month - 1]}"
        is_citizen = bool(case.applicant_id)
        author = f"id{user_id(case.applicant_id)}" if is_citizen else f"club{club}"
        yield [
            f"https://vk.com/wall{case.native_id}",
            f"https://vk.com/club{club}?w=wall{case.native_id}",
            (
                f"{case.person.name} {case.person.surname}"
                if is_citizen
                else walls[case.wall_id].name
            ),
            f"https://vk.com/{author}",
            # As the page writes it: without the year in the current one, without the time before.
            f"{day} в {at:%H:%M}" if at.year == this_year else f"{day} {at.year}",
            case.text,
            rng.randrange(20, 9000),
            rng.randrange(0, 60),
            rng.randrange(0, 7),
            rng.randrange(0, 12),
        ]


# --- the folders ---------------------------------------------------------------------------------


def write_exports(
    world: World, output: Path, regions: Collection[str] = tuple(REGIONS)
) -> list[Export]:
    """Write the exports of regions below `output`, a folder a source; a part without rows is none.

    The same world writes the same bytes.
    """
    written: list[Export] = []

    def keep(variable: str, source: str, name: str, content: bytes, records: int) -> None:
        folder = (output / source).absolute()
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        written.append(Export(variable, folder, path, records))

    for region in regions:
        found = incidents(world, region)
        for number, layout in enumerate(LAYOUTS):
            part = found[number * len(found) // 4 : (number + 1) * len(found) // 4]
            if part:
                name = f"{region}/incidents_{number + 1}_{layout}.xlsx"
                content = incident_workbook(layout, part)
                keep("TSUR_INCIDENT_EXPORTS", "incident_management", name, content, len(part))
        if appeals := edms_rows(world, region):
            content = edms_workbook(appeals, title=REGIONS[region].name)
            name = f"{region}/register_59fz.xlsx"
            keep("TSUR_EDMS_EXPORTS", "edms_59fz", name, content, len(appeals))
        if posts := list(found_rows(world, region)):
            content = write_csv(FOUND_COLUMNS, posts, encoding="utf-8-sig")
            keep("TSUR_VK_EXPORTS", "vk_exports", f"search_{region}.csv", content, len(posts))
    return written
