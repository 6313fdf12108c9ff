"""The world as its sources write it: rows of the ПОС export, of registers, GeoReport requests."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from random import Random
from typing import Any

from ingestion.sandbox.people import spell_phone
from ingestion.sandbox.regions import REGIONS
from ingestion.sandbox.workbook import Cell
from ingestion.sandbox.world import Case, World

# DOMAIN.md 2.3: the 25 columns, read by header name.
MESSAGE_COLUMNS = (
    "Номер",
    "Номер ЕПГУ",
    "Источник",
    "Верхнеуровневый ЛКО",
    "Категория",
    "Подкатегория",
    "Факт",
    "Организация, в которую поступило сообщение",
    "Организация, в которой находится сообщение",
    "Дата поступления",
    "Дата планируемого завершения работ",
    "Дата фактического завершения работ",
    "Стадия",
    "Статус",
    "Просрочено",
    "Фаст-трек",
    "ФЗ",
    "Заявитель выбрал подачу по 59-ФЗ",
    "Тип решения",
    "Направлено по email в ФОИВ, не подключенный к ПОС",
    "Оценка ответа заявителем",
    "Повторное рассмотрение",
    "ФИО координатора",
    "ФИО исполнителя",
    "ФИО руководителя",
)
CARD_COLUMNS = (
    "Номер",
    "Текст сообщения",
    "Ответ заявителю",
    "Адрес",
    "Муниципалитет",
    "Широта",
    "Долгота",
    "Поставлено вопросов",
    "Отвечено по существу",
    "ФИО заявителя",
    "Телефон",
    "Электронная почта",
)
HISTORY_COLUMNS = (
    "Номер",
    "№ п/п",
    "Цикл",
    "Событие",
    "Дата и время",
    "Организация",
    "Новый срок",
    "Оценка",
)
REGISTER_COLUMNS = (
    "№ обращения",
    "Дата регистрации",
    "Срок исполнения",
    "Дата исполнения",
    "Тема",
    "Группа тем",
    "Исполнитель",
    "Муниципальное образование",
    "Адрес",
    "Текст обращения",
    "Заявитель",
    "Телефон",
    "Статус",
    "Срок соблюдён",
    "Сообщение ПОС №",
)
ROSTER_COLUMNS = ("№ записи", "Неделя с", "Блок", "Сотрудник", "Часы", "Доля")
CHECKED_COLUMNS = ("№ записи", "№ обращения", "Орган", "Дата проверки", "Ответ соответствует")
POPULATION_COLUMNS = ("№ записи", "Муниципальное образование", "ОКТМО", "Год", "Население")
EVENT_NAMES = {
    "received": "Поступило",
    "registered": "Зарегистрировано",
    "routed": "Направлено",
    "transferred": "Перенаправлено",
    "assigned": "Назначен исполнитель",
    "interim_reply": "Промежуточный ответ",
    "extension_requested": "Запрошено продление",
    "extension_approved": "Перенос срока обработки утвержден",
    "extension_notified": "Заявитель уведомлен о продлении",
    "answered": "Отправлен ответ заявителю",
    "rated": "Оценка заявителя",
    "reopened": "Повторное рассмотрение",
    "closed": "Закрыто",
    "withdrawn": "Отозвано",
    "rejected": "Отклонено модератором",
}
# DOMAIN.md 1: the labels of the blocks as the acts write them.
BLOCK_LABELS = {
    "HEALTH": "Здравоохранение",
    "EDU": "Образование",
    "SOC": "Социальная защита",
    "HCS": "Жилищно-коммунальное хозяйство",
    "WASTE": "Твердые коммунальные отходы",
    "ROADS": "Дороги",
    "TRANSPORT": "Транспорт",
    "ENERGY": "Энергетика",
}
_DECISIONS = ("Решено", "Разъяснено", "Запланировано", "Отказано")
_REGISTER_STATUSES = {"answered": "Исполнено", "withdrawn": "Отозвано", "rejected": "Отказано"}
_STAGES = {
    "received": ("Модерация", "На модерации"),
    "registered": ("Координация", "Зарегистрировано"),
    "routed": ("Координация", "Направлено по компетенции"),
    "transferred": ("Координация", "Направлено по компетенции"),
    "assigned": ("Исполнение", "Находится на рассмотрении"),
    "interim_reply": ("Исполнение", "Находится на рассмотрении"),
    "extension_requested": ("Согласование", "Находится на рассмотрении"),
    "extension_approved": ("Исполнение", "Рассмотрение продлено"),
    "extension_notified": ("Исполнение", "Рассмотрение продлено"),
    "answered": ("Завершено", "Дан ответ автору"),
    "rated": ("Завершено", "Дан ответ автору"),
    "reopened": ("Координация", "Повторное рассмотрение"),
    "closed": ("Завершено", "Закрыто"),
    "withdrawn": ("Завершено", "Отозвано заявителем"),
    "rejected": ("Завершено", "Отклонено модератором"),
}


def _day(value: datetime | date | None) -> str:
    return value.strftime("%d.%m.%Y") if value is not None else "-"


def _minute(value: datetime | None) -> str:
    return value.strftime("%d.%m.%Y %H:%M") if value is not None else ""


def _spelling(case: Case, name: str, aliases: tuple[str, ...]) -> str:
    """One row in ten names the body by an alias, as people do."""
    rng = Random(f"alias|{case.source_code}|{case.native_id}|{name}")
    return rng.choice(aliases) if aliases and rng.random() < 0.1 else name


def _within(world: World, region: str, source: str, first: date, until: date) -> Iterator[Case]:
    for case in world.of(region, source):
        if first <= case.served_on < until:
            yield case


def _row_draws(case: Case) -> Random:
    return Random(f"row|{case.native_id}|{case.served_on}")


def decision(case: Case) -> str | None:
    """«Тип решения» of an answered ПОС message, the status of a register row or a request."""
    if case.source_code == "pos":
        return _row_draws(case).choice(_DECISIONS) if case.outcome == "answered" else None
    if case.source_code == "municipal_register":
        return _REGISTER_STATUSES.get(case.outcome, "В работе")
    if case.source_code == "open311":
        return "closed" if case.cycles[-1].closed_at is not None else "open"
    return None


def message_rows(world: World, region: str, first: date, until: date) -> Iterator[list[Cell]]:
    """Rows of the ПОС export received on local days in [first, until)."""
    for case in _within(world, region, "pos", first, until):
        topic = case.topic
        category, subcategory, fact = topic.pos_labels if topic else ("-", "-", "-")
        last = case.cycles[-1]
        stage, status = _STAGES[case.events[-1].event]
        received = case.received_body or case.body
        closed = last.closed_at if case.outcome != "open" else None
        rng = _row_draws(case)
        rng.choice(_DECISIONS)
        epgu = str(rng.randrange(10**9, 10**10)) if rng.random() < 0.8 else "-"
        received_on = _day(case.received_at)
        if case.bad_reason == "impossible_date":
            received_on = f"31.02.{case.received_at.year}"
        rating: Cell = "-" if case.rating is None else case.rating
        if case.bad_reason == "wrong_rating":
            rating = "5 звёзд"
        yield [
            case.native_id,
            epgu,
            "ЕПГУ" if epgu != "-" else rng.choice(("Виджет", "Мобильное приложение «Госуслуги»")),
            REGIONS[region].name,
            category if case.has_labels else "-",
            subcategory if case.has_labels else "-",
            fact if case.has_labels and case.has_fact else "-",
            _spelling(case, received.name, received.aliases),
            _spelling(case, case.body.name, case.body.aliases),
            received_on,
            _day(last.source_due_at),
            _day(closed),
            stage,
            status,
            case.source_verdict,
            "Да" if case.is_fast_track else "Нет",
            "59-ФЗ" if case.is_59fz else "Обычное сообщение",
            "Да" if case.is_59fz else "Нет",
            decision(case) or "-",
            "Да" if rng.random() < 0.01 else "Нет",
            rating,
            "Да" if any(cycle.cycle_no > 1 for cycle in case.cycles) else "Нет",
            case.staff[0],
            case.staff[1],
            case.staff[2],
        ]


def card_rows(world: World, region: str, first: date, until: date) -> Iterator[list[Cell]]:
    """Cards of messages; broken rows of the export have none."""
    for case in _within(world, region, "pos", first, until):
        if case.is_bad:
            continue
        rng = Random(f"card|{case.native_id}")
        located = rng.random() < 0.93
        yield [
            case.native_id,
            case.text,
            case.reply_text or "-",
            case.address.line,
            case.address.place.name,
            case.address.latitude if located else None,
            case.address.longitude if located else None,
            case.questions_raised,
            case.questions_answered,
            case.person.full_name,
            spell_phone(rng, case.person.phone),
            case.person.email if rng.random() < 0.7 else "-",
        ]


def history_rows(world: World, region: str, first: date, until: date) -> Iterator[list[Cell]]:
    """Events of messages received on local days in [first, until), in the order of time."""
    for case in _within(world, region, "pos", first, until):
        if case.is_bad:
            continue
        for number, event in enumerate(case.events, start=1):
            body = world.catalog.bodies[event.body_code]
            yield [
                case.native_id,
                number,
                event.cycle_no,
                EVENT_NAMES[event.event],
                _minute(event.at),
                body.name,
                _day(event.new_due) if event.new_due is not None else "-",
                "-" if event.rating is None else event.rating,
            ]


def register_rows(world: World, region: str) -> Iterator[list[Cell]]:
    """The municipal register: the whole of it, times local."""
    for case in world.of(region, "municipal_register"):
        group, theme = case.topic.register_labels if case.topic else ("", "")
        cycle = case.cycles[-1]
        rng = Random(f"register|{case.native_id}|{case.served_on}")
        registered = _minute(case.received_at)
        if case.bad_reason == "impossible_date":
            registered = f"00.13.{case.received_at.year} 10:00"
        elif case.bad_reason == "year_3020":
            registered = _minute(
                case.received_at.replace(year=3020, day=min(case.received_at.day, 28))
            )
        yield [
            case.native_id,
            registered,
            _minute(cycle.due_at),
            _minute(cycle.closed_at),
            theme if case.has_labels else "",
            group if case.has_labels else "",
            _spelling(case, case.body.name, case.body.aliases),
            case.address.place.name,
            case.address.line,
            case.text,
            case.person.full_name,
            spell_phone(rng, case.person.phone) if rng.random() < 0.85 else "",
            decision(case),
            case.source_verdict,
            case.external_number or "",
        ]


def roster_rows(world: World, region: str) -> Iterator[list[Cell]]:
    for row in world.rosters:
        if row.region_code == region:
            yield [
                row.native_id,
                _day(row.week_start),
                BLOCK_LABELS[row.block_code],
                row.staff,
                row.hours,
                row.share,
            ]


def checked_rows(world: World, region: str) -> Iterator[list[Cell]]:
    for row in world.checked_replies:
        if row.region_code == region:
            yield [
                row.native_id,
                row.case_native_id,
                world.catalog.bodies[row.body_code].name,
                _day(row.checked_at),
                "да" if row.is_passed else "нет",
            ]


def population_rows(world: World, region: str) -> Iterator[list[Cell]]:
    for row in world.populations:
        if row.region_code == region:
            yield [row.native_id, row.municipality, row.municipality_code, row.year, row.population]


def services(world: World) -> list[dict[str, Any]]:
    """GeoReport v2 service list."""
    return [
        {
            "service_code": code,
            "service_name": name,
            "description": f"{group}: {name.lower()}",
            "metadata": False,
            "type": "realtime",
            "keywords": "",
            "group": group,
        }
        for code, (name, group) in world.catalog.services.items()
    ]


def open311_request(world: World, case: Case) -> dict[str, Any]:
    """One GeoReport v2 request; times carry the region's offset."""
    zone = REGIONS[case.region_code].zone

    def stamp(value: datetime | None) -> str | None:
        return value.replace(tzinfo=zone).isoformat() if value is not None else None

    cycle = case.cycles[-1]
    topic = case.topic
    code = topic.service_code if topic else ""
    name, group = world.catalog.services.get(code, ("", ""))
    is_closed = cycle.closed_at is not None
    rng = Random(f"311|{case.native_id}|{case.served_on}")
    item: dict[str, Any] = {
        "service_request_id": case.native_id,
        "status": "closed" if is_closed else "open",
        "status_notes": case.reply_text or None,
        "service_name": name if case.has_labels else "",
        "service_code": code if case.has_labels else "",
        "group": group if case.has_labels else "",
        "description": case.text,
        "agency_responsible": _spelling(case, case.body.name, case.body.aliases),
        "service_notice": None,
        "requested_datetime": stamp(case.received_at),
        "updated_datetime": stamp(cycle.closed_at or case.received_at),
        "expected_datetime": stamp(cycle.due_at),
        "address": case.address.line,
        "address_id": None,
        "zipcode": None,
        "lat": case.address.latitude,
        "long": case.address.longitude,
        "media_url": None,
        "closed_datetime": stamp(cycle.closed_at),
        "municipality": case.address.place.name,
    }
    if rng.random() < 0.15:
        item["media_url"] = f"https://photo.example/{case.native_id}.jpg"
    if rng.random() < 0.4:
        item["requestor_name"] = case.person.full_name
        item["phone"] = spell_phone(rng, case.person.phone)
        if rng.random() < 0.6:
            item["email"] = case.person.email
    if case.bad_reason == "impossible_date":
        item["requested_datetime"] = f"{case.received_at.year}-02-30T10:00:00"
    elif case.bad_reason == "empty_number":
        item["service_request_id"] = None
    return item
