"""Registers that people keep, as a region would send them: votes, projects, measures, requests, …

Every stream of chance is keyed by region, register and date, so that a later ``as_of`` adds rows
and moves states on, and reshuffles nothing. Bodies, places, blocks and topics are those of the
seeds; the columns are those of the YAMLs under ``ingestion/sources``.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date, datetime, time, timedelta
from random import Random

from ingestion.sandbox.catalog import BLOCKS, SEEDS, Body, Place, Topic
from ingestion.sandbox.people import invent_person
from ingestion.sandbox.regions import REGIONS
from ingestion.sandbox.tables import BLOCK_LABELS
from ingestion.sandbox.workbook import Cell
from ingestion.sandbox.world import World

Rows = Iterator[list[Cell]]


def _written(day: date | None) -> str:
    return "" if day is None else f"{day:%d.%m.%Y}"


class _Keeper:
    """Who keeps the registers of one region: what has happened by now, and who is at hand."""

    def __init__(self, world: World, region: str, register: str) -> None:
        self.world = world
        self.region = region
        self.now = world.local_as_of[region].date()
        self.first = world.first_day[region]
        self.prefix = REGIONS[region].oktmo
        self._register = register

    def chance(self, *key: object) -> Random:
        parts = (self.world.seed, self.region, self._register, *key)
        return Random("|".join(str(part) for part in parts))

    def months(self) -> Iterator[tuple[date, Random]]:
        """The first days of the months, each with the chance of its own."""
        day = self.first.replace(day=1)
        while day <= self.now:
            yield day, self.chance(day)
            day = (day + timedelta(days=32)).replace(day=1)

    def past(self, day: date) -> date | None:
        """The day when it has come, else None: a register knows nothing of the future."""
        return day if day <= self.now else None

    def topic(self, rng: Random) -> Topic:
        """A topic of one of the eight blocks."""
        found = self.world.catalog.topics.values()
        topics = [topic for topic in found if topic.block_code in BLOCK_LABELS]
        return rng.choices(topics, [topic.weight for topic in topics])[0]

    def body(self, block: str) -> Body:
        return self.world.catalog.ministries[self.region, block]

    def bodies(self) -> list[Body]:
        found = self.world.catalog.bodies.values()
        return [body for body in found if body.region_code == self.region]

    def place(self, rng: Random) -> Place:
        return rng.choice(self.world.catalog.places[self.region])

    def person(self, *key: object) -> str:
        return invent_person(self.chance("person", *key)).full_name


def vote_rows(world: World, region: str) -> Rows:
    """A vote or a discussion a month; the decision follows, and then its implementation."""
    keeper = _Keeper(world, region, "votes")
    for month, rng in keeper.months():
        topic = keeper.topic(rng)
        started = month + timedelta(days=rng.randrange(20))
        ended = started + timedelta(days=rng.randrange(10, 30))
        decided, implemented = ended + timedelta(days=10), ended + timedelta(days=140)
        due = implemented + timedelta(days=keeper.chance("term", month).choice((-20, 0, 0, 10)))
        participants = rng.randrange(150, 6000)
        kind = rng.choice(("Голосование", "Голосование", "Общественное обсуждение"))
        leading = round(participants * rng.uniform(0.35, 0.8))
        proposals, place = rng.randrange(5, 90), keeper.place(rng)
        if started > keeper.now:
            continue
        is_decided = decided <= keeper.now
        state = "Не принято"
        if is_decided:
            state = "Исполнено" if implemented <= keeper.now else "Исполняется"
        is_vote = kind == "Голосование"
        has_ended = ended <= keeper.now
        theme = topic.register_labels[1]
        yield [
            f"Г-{month:%Y-%m}",
            f"Что сделать в первую очередь: {theme.lower()}",
            kind,
            theme,
            BLOCK_LABELS[topic.block_code],
            place.name,
            place.settlement,
            "Платформа обратной связи",
            _written(started),
            _written(ended),
            participants if has_ended else None,
            proposals if has_ended and not is_vote else None,
            f"Начать с {place.name}" if has_ended and is_vote else None,
            leading if has_ended and is_vote else None,
            f"Включить в план на {decided.year} год" if is_decided else None,
            state,
            _written(decided if is_decided else None),
            keeper.body(topic.block_code).name if is_decided else None,
            _written(due if is_decided else None),
            _written(implemented if state == "Исполнено" else None),
            f"https://golos.example/{keeper.prefix}/{month:%Y%m}",
            None,
        ]


_QUESTIONS = ("Довольны ли вы ответом на обращение?", "Решена ли проблема, о которой писали?")
_ANSWERS = (("Да", "да"), ("Скорее да", "да"), ("Скорее нет", "нет"), ("Нет", "нет"))


def survey_rows(world: World, region: str) -> Rows:
    """A survey a quarter, two questions of four answers; it is told when it is over."""
    keeper = _Keeper(world, region, "surveys")
    for month, rng in keeper.months():
        if month.month % 3 != 2:
            continue
        block = rng.choice(BLOCKS)
        body = keeper.body(block)
        method = rng.choice(("Онлайн", "Онлайн", "По телефону", "Личное интервью"))
        started = month + timedelta(days=rng.randrange(5))
        ended = started + timedelta(days=14)
        respondents = rng.randrange(300, 1200)
        if ended > keeper.now:
            continue
        questions = (
            "Довольны ли вы ответом на обращение?",
            "Решена ли проблема, о которой писали?",
        )
        for number, question in enumerate(questions, start=1):
            cuts = sorted(rng.randrange(respondents) for _ in range(len(_ANSWERS) - 1))
            edges = [0, *cuts, respondents]
            for ordinal, (answer, is_satisfied) in enumerate(_ANSWERS, start=1):
                yield [
                    f"О-{month:%Y-%m}",
                    number,
                    ordinal,
                    f"Как работает блок «{BLOCK_LABELS[block]}»",
                    method,
                    BLOCK_LABELS[block],
                    None,
                    body.name,
                    _written(started - timedelta(days=7)) if method == "Онлайн" else None,
                    _written(started),
                    _written(ended),
                    respondents,
                    question,
                    answer,
                    edges[ordinal] - edges[ordinal - 1],
                    is_satisfied,
                    None,
                ]


def _seed_column(seed: str, key: str, column: str) -> dict[str, str]:
    with (SEEDS / seed).open(encoding="utf-8", newline="") as file:
        return {row[key]: row[column] for row in csv.DictReader(file)}


def body_rows(world: World, region: str) -> Rows:
    """Every body of the seed; the first one has a predecessor under its former name."""
    keeper = _Keeper(world, region, "bodies")
    kinds = _seed_column("body_kinds.csv", "body_kind_code", "body_kind_name")
    begun = _seed_column("bodies.csv", "body_code", "valid_from")
    places = {place.code: place.name for place in world.catalog.places[region]}
    for number, body in enumerate(keeper.bodies()):
        start = date.fromisoformat(begun[body.code])
        hours: list[Cell] = ["пн-пт", "09:00", "18:00", "16:45", "13:00", "13:45"]
        if body.kind == "institution":
            hours = ["пн-сб", "08:00", "20:00", None, None, None]
        label = BLOCK_LABELS.get(body.block_code)
        common: list[Cell] = [kinds[body.kind], label, places.get(body.municipality_code)]
        predecessor = None
        if number == 0:
            predecessor = f"{body.code}_before"
            former = body.aliases[-1] if body.aliases else f"{body.name} (до реорганизации)"
            dates = [_written(start.replace(year=start.year - 10)), _written(start)]
            yield [predecessor, former, None, *common, *dates, None, None, *hours, None]
        yield [
            body.code,
            body.name,
            body.aliases[0] if body.aliases else None,
            *common,
            _written(start),
            None,
            predecessor,
            "Постановление о реорганизации" if predecessor else None,
            *hours,
            None,
        ]


# Pages of the bodies are mandatory since that day (№ 2523-р).
_PAGES_SINCE = date(2022, 12, 1)


def page_rows(world: World, region: str) -> Rows:
    """A site and the two mandatory pages of every body; some lack the mark of confirmation."""
    keeper = _Keeper(world, region, "official_pages")
    platforms = (("ВКонтакте", "vk"), ("Одноклассники", "ok"), ("Сайт", "site"))
    for body in keeper.bodies():
        rng = keeper.chance(body.code)
        responsible = keeper.person(body.code)
        for platform, host in platforms:
            confirmed, subscribers = rng.random() < 0.9, rng.randrange(200, 30_000)
            checked = _PAGES_SINCE + timedelta(days=rng.randrange(90))
            # Checked again twice a year.
            while checked + timedelta(days=182) <= keeper.now:
                checked += timedelta(days=182)
            is_site = platform == "Сайт"
            yield [
                f"https://{host}.example/{body.code}",
                body.name,
                platform,
                body.name,
                None if is_site else ("да" if confirmed else "нет"),
                None if is_site else subscribers,
                _written(_PAGES_SINCE),
                None,
                _written(checked),
                responsible,
                None,
            ]


def _projects(keeper: _Keeper) -> Iterator[tuple[str, date, str, Random]]:
    """Number, start, block and chance of the projects: two each half-year."""
    for month, _ in keeper.months():
        if month.month not in (2, 9):
            continue
        for ordinal in (1, 2):
            rng = keeper.chance("project", month, ordinal)
            block = rng.choice(BLOCKS)
            yield f"П-{month:%Y-%m}-{ordinal}", month, block, rng


def project_rows(world: World, region: str) -> Rows:
    """Projects of about a year: passport, work, end; one in eight is suspended."""
    keeper = _Keeper(world, region, "projects")
    for number, month, block, rng in _projects(keeper):
        agreed, approved = month + timedelta(days=5), month + timedelta(days=12)
        started, due = month + timedelta(days=19), month + timedelta(days=rng.randrange(240, 400))
        completed = due + timedelta(days=rng.choice((-20, -5, 0, 12, 40)))
        is_suspended = rng.random() < 0.125
        state = "Готовится паспорт"
        if keeper.past(approved):
            state = "Реализуется" if keeper.past(started) else "Паспорт утверждён"
        if is_suspended and keeper.past(started + timedelta(days=60)):
            state = "Приостановлен"
        elif keeper.past(completed):
            state = "Завершён"
        done = 100 if state == "Завершён" else 0
        if state == "Реализуется":
            done = min(95, round(100 * (keeper.now - started).days / (due - started).days))
        yield [
            number,
            f"Сократить число обращений: {BLOCK_LABELS[block].lower()}",
            BLOCK_LABELS[block],
            keeper.body(block).name,
            keeper.person(number),
            state,
            _written(keeper.past(agreed)),
            _written(keeper.past(approved)),
            _written(started),
            _written(due),
            _written(completed if state == "Завершён" else None),
            done,
            _written(keeper.past(approved + timedelta(days=90))),
            rng.choice(("да", "да", "нет")),
            "Региональная программа" if rng.random() < 0.5 else None,
            None,
        ]


_RISKS = (
    ("Подрядчик не уложится в срок", "Заключён договор с запасным подрядчиком"),
    ("Денег выделят меньше, чем нужно", "Работы разделены на этапы"),
    ("Ведомство передаст данные позже", "Назначен ответственный за передачу данных"),
)


def risk_rows(world: World, region: str) -> Rows:
    """Two risks a project; a heavy one is brought to the куратор, most are closed in time."""
    keeper = _Keeper(world, region, "projects")
    for number, month, block, _ in _projects(keeper):
        for ordinal in (1, 2):
            rng = keeper.chance("risk", number, ordinal)
            identified = month + timedelta(days=rng.randrange(20, 120))
            if identified > keeper.now:
                continue
            risk, mitigation = rng.choice(_RISKS)
            impact = rng.choice(("Слабые", "Заметные", "Тяжёлые"))
            reviewed = keeper.past(identified + timedelta(days=60))
            closed = keeper.past(identified + timedelta(days=rng.randrange(90, 300)))
            escalated = keeper.past(identified + timedelta(days=14))
            if impact != "Тяжёлые":
                escalated = None
            state = "Закрыт" if closed else ("Снижен" if reviewed else "Открыт")
            yield [
                number,
                ordinal,
                BLOCK_LABELS[block],
                risk,
                rng.choice(("Низкая", "Средняя", "Высокая")),
                impact,
                mitigation if reviewed or closed else None,
                keeper.person(number),
                _written(identified),
                _written(reviewed),
                _written(escalated),
                "Держать на контроле" if escalated else None,
                state,
                _written(closed),
                None,
            ]


_STAGES = ("Утвердить план работ", "Заключить договоры", "Выполнить работы", "Подвести итоги")


def stage_rows(world: World, region: str) -> Rows:
    """Four stages a project, evenly up to its term; some end late, a few are cancelled."""
    keeper = _Keeper(world, region, "projects")
    for number, month, block, project in _projects(keeper):
        # The same draw as that of the project's term.
        started, length = month + timedelta(days=19), project.randrange(240, 400) - 19
        for ordinal, stage in enumerate(_STAGES, start=1):
            rng = keeper.chance("stage", number, ordinal)
            due = started + timedelta(days=length * ordinal // len(_STAGES))
            ends = due + timedelta(days=rng.choice((-10, -3, 0, 0, 15)))
            is_cancelled = rng.random() < 0.05
            done = keeper.past(ends)
            state = "Выполняется" if keeper.past(due - timedelta(days=45)) else "Не начат"
            if done:
                state = "Выполнен"
            if is_cancelled and keeper.past(due - timedelta(days=20)):
                state = "Отменён"
            yield [
                number,
                ordinal,
                BLOCK_LABELS[block],
                stage,
                keeper.body(block).name,
                keeper.person(number),
                _written(due),
                state,
                _written(done if state == "Выполнен" else None),
                None,
            ]


def indicator_rows(world: World, region: str) -> Rows:
    """One indicator of every executive body a quarter: declared, checked, approved or refused."""
    keeper = _Keeper(world, region, "indicators")
    for month, _ in keeper.months():
        if month.month % 3 != 1:
            continue
        quarter_end = (month + timedelta(days=95)).replace(day=1)
        period = f"{month.year}-К{(month.month + 2) // 3}"
        for body in keeper.bodies():
            if body.kind != "oiv":
                continue
            rng = keeper.chance(body.code, period)
            declared_on = quarter_end + timedelta(days=rng.randrange(2, 12))
            if declared_on > keeper.now:
                continue
            verified = keeper.past(declared_on + timedelta(days=5))
            approved = keeper.past(declared_on + timedelta(days=12))
            is_refused = rng.random() < 0.1
            state = "Проверено" if verified else "Черновик"
            if verified and is_refused:
                state = "Отклонено"
            elif approved:
                state = "Утверждено"
            yield [
                "ОП-04",
                body.name,
                period,
                "Доля ответов, данных в срок",
                "Обязательный",
                "Обратная связь",
                BLOCK_LABELS.get(body.block_code),
                "процент",
                95,
                round(rng.uniform(82, 99.5), 1),
                "Отчёт за квартал",
                keeper.person("author", body.code),
                _written(declared_on),
                state,
                keeper.person("verifier") if verified else None,
                _written(verified),
                _written(approved if state == "Утверждено" else None),
                "Расходится с выгрузкой" if state == "Отклонено" else None,
                None,
            ]


def measure_rows(world: World, region: str) -> Rows:
    """Two measures a month; one in seven runs late, a few are cancelled."""
    keeper = _Keeper(world, region, "measures")
    for month, _ in keeper.months():
        for ordinal in (1, 2):
            rng = keeper.chance(month, ordinal)
            topic, place = keeper.topic(rng), keeper.place(rng)
            planned = month + timedelta(days=rng.randrange(28))
            due = planned + timedelta(days=rng.randrange(20, 90))
            ends = due + timedelta(days=rng.choice((-10, -4, -1, 0, 0, 0, 25)))
            is_cancelled = rng.random() < 0.06
            kind = rng.choice(("Корректирующая", "Предупреждающая", "Рекомендация"))
            if month > keeper.now:
                continue
            started, completed = keeper.past(planned), keeper.past(ends)
            cancelled = keeper.past(planned + timedelta(days=9)) if is_cancelled else None
            state = "Выполняется" if started else "Запланирована"
            if cancelled:
                state = "Отменена"
            elif completed:
                state = "Выполнена"
            theme = topic.register_labels[1]
            yield [
                f"М-{month:%Y-%m}-{ordinal}",
                f"Устранить причину обращений: {theme.lower()}",
                kind,
                f"Повторяющиеся обращения: {theme.lower()}",
                theme,
                BLOCK_LABELS[topic.block_code],
                place.name,
                place.settlement,
                keeper.body(topic.block_code).name,
                keeper.person(topic.block_code),
                _written(planned),
                _written(due),
                state,
                _written(started),
                _written(completed if state == "Выполнена" else None),
                _written(cancelled),
                "Проблема решена другой мерой" if cancelled else None,
                f"В-{month:%Y-%m}" if ordinal == 1 else None,
                None,
            ]


def order_rows(world: World, region: str) -> Rows:
    """A problem question a month, from its entry in the list to the order that is done."""
    keeper = _Keeper(world, region, "orders")
    for month, rng in keeper.months():
        topic, place = keeper.topic(rng), keeper.place(rng)
        raised = month + timedelta(days=rng.randrange(10))
        agreed, protocol = raised + timedelta(days=5), raised + timedelta(days=16)
        due = protocol + timedelta(days=rng.randrange(30, 80))
        done = due + timedelta(days=rng.choice((-12, -3, 0, 0, 20)))
        level = rng.choice(("Ответственный за блок", "Куратор", "Губернатор"))
        basis = rng.choice(("Тепловая карта", "Обращения", "Обращения", "Риск в интернете"))
        if raised > keeper.now:
            continue
        state = "Согласован" if keeper.past(agreed) else "Внесён"
        is_ordered = keeper.past(protocol) is not None
        if is_ordered:
            state = "Исполнено" if keeper.past(done) else "Дано поручение"
        label = topic.register_labels[1]
        theme = label.lower()
        yield [
            f"В-{month:%Y-%m}",
            f"{place.name}: {theme}",
            basis,
            label,
            BLOCK_LABELS[topic.block_code],
            place.name,
            place.settlement,
            _written(raised),
            level,
            _written(keeper.past(agreed)),
            f"{month:%m}-П" if is_ordered else None,
            _written(protocol if is_ordered else None),
            f"Принять меры: {theme}" if is_ordered else None,
            keeper.body(topic.block_code).name if is_ordered else None,
            _written(due if is_ordered else None),
            _written(done if state == "Исполнено" else None),
            state,
            None,
            None,
        ]


def media_rows(world: World, region: str) -> Rows:
    """Three items of the media plan a month; a few are put off, reach is known afterwards."""
    keeper = _Keeper(world, region, "media_plans")
    for month, _ in keeper.months():
        for ordinal in (1, 2, 3):
            rng = keeper.chance(month, ordinal)
            topic = keeper.topic(rng)
            planned = month + timedelta(days=rng.randrange(28))
            held = planned + timedelta(days=rng.choice((0, 0, 0, 0, 3)))
            is_put_off = rng.random() < 0.08
            kind = rng.choice(("Публикация", "Семинар", "Эфир", "Прямая линия"))
            reach, place = rng.randrange(300, 40_000), keeper.place(rng)
            state = "Запланировано"
            if keeper.past(held):
                state = "Перенесено" if is_put_off else "Состоялось"
            was_held = state == "Состоялось"
            address = f"https://media.example/{keeper.prefix}/{month:%Y%m}/{ordinal}"
            yield [
                f"МП-{month:%Y-%m}-{ordinal}",
                f"Куда обращаться: {topic.register_labels[1].lower()}",
                kind,
                rng.choice(("Районная газета", "Областное телевидение", "Сообщество города")),
                rng.choice(("Жители района", "Родители школьников", "Пенсионеры")),
                BLOCK_LABELS[topic.block_code],
                place.name,
                keeper.body(topic.block_code).name,
                keeper.person("press"),
                _written(month - timedelta(days=4)),
                _written(planned),
                state,
                _written(held if was_held else None),
                reach if was_held else None,
                address if was_held else None,
                None,
            ]


def request_rows(world: World, region: str) -> Rows:
    """A request every other month, of the ministry or the ANO; one in eight is answered late."""
    keeper = _Keeper(world, region, "information_requests")
    for month, rng in keeper.months():
        received = month + timedelta(days=rng.randrange(20))
        due = received + timedelta(days=14)
        answered = due + timedelta(days=rng.choice((-6, -3, -2, -1, -1, 0, 0, 5)))
        requester = rng.choice(("Минцифры России", "АНО «Диалог Регионы»"))
        is_inspection = rng.random() < 0.15
        if month.month % 2 or received > keeper.now:
            continue
        is_answered = keeper.past(answered) is not None
        yield [
            f"З-{month:%Y-%m}",
            requester,
            "Контрольное мероприятие" if is_inspection else "Запрос материалов",
            "Сведения о работе отраслевых блоков",
            _written(received),
            _written(due),
            keeper.body(rng.choice(BLOCKS)).name,
            keeper.person("office"),
            _written(answered if is_answered else None),
            f"{month:%m}-{keeper.prefix}/{month:%y}" if is_answered else None,
            None,
        ]


def correction_rows(world: World, region: str) -> Rows:
    """What an operator set right or confirmed in about three messages of a hundred."""
    keeper = _Keeper(world, region, "corrections")
    source = _seed_column("data_sources.csv", "source_code", "source_name")["pos"]
    for case in world.of(region, "pos"):
        rng = keeper.chance(case.native_id)
        if case.is_bad or case.topic is None or rng.random() >= 0.03:
            continue
        at = datetime.combine(
            case.received_at.date() + timedelta(days=2), time(9 + rng.randrange(8), 30)
        )
        corrected = rng.choice(("Блок", "Муниципальное образование", "Конфликт"))
        if at > world.local_as_of[region]:
            continue
        value = {
            "Блок": BLOCK_LABELS.get(case.topic.block_code, "Вне блоков"),
            "Муниципальное образование": case.address.place.name,
            "Конфликт": rng.choice(("да", "нет")),
        }[corrected]
        yield [
            source,
            case.native_id,
            corrected,
            value,
            "Прочитано оператором",
            keeper.person("operator", rng.randrange(3)),
            f"{at:%d.%m.%Y %H:%M}",
            None,
        ]


def risk_decision_rows(world: World, region: str) -> Rows:
    """One decision a yearly mass problem of the region, in the morning after its first alert.

    Five messages a day raise one (DOMAIN 5.10). Where no day has so many, somebody decides when the
    problem has ended, about what was no signal.
    """
    keeper = _Keeper(world, region, "risk_decisions")
    spike = REGIONS[region].spike
    block = world.catalog.topics[spike.topic_code].block_code
    main = max(world.catalog.places[region], key=lambda place: place.population)
    messages = Counter(
        case.received_at.astimezone(REGIONS[region].zone).date()
        for case in world.of(region, "pos")
        if case.topic is not None
        and case.topic.block_code == block
        and case.address.place.code == main.code
    )
    for year in range(keeper.first.year, keeper.now.year + 1):
        begun = date(year, spike.month, spike.day)
        days = [begun + timedelta(days=number) for number in range(spike.days)]
        alert = next((day for day in days if messages[day] >= 5), days[-1])
        at = datetime.combine(alert + timedelta(days=1), time(10, 30))
        if begun < keeper.first or at > world.local_as_of[region]:
            continue
        rng = keeper.chance(begun)
        yield [
            f"{region}/{block}/{main.code}/pos/{alert:%Y-%m-%d}",
            "Сообщить жителям, когда работы закончатся",
            rng.choice(("Принят в работу", "Передан куратору")),
            keeper.person("operator", rng.randrange(3)),
            f"{at:%d.%m.%Y %H:%M}",
            None,
        ]


Table = tuple[tuple[str, ...], Callable[[World, str], Rows]]
_NOTE = "Примечание"
TABLES: dict[str, Table] = {
    "votes": (
        (
            *("№ голосования", "Название", "Вид", "Тема обращений", "Блок"),
            *("Муниципальное образование", "Место", "Площадка", "Начало", "Окончание"),
            *("Участников", "Предложений", "Ведущий вариант", "Голосов за ведущий вариант"),
            *("Решение", "Состояние решения", "Дата решения", "Исполнитель", "Срок исполнения"),
            *("Дата исполнения", "Ссылка", _NOTE),
        ),
        vote_rows,
    ),
    "surveys": (
        (
            *("№ опроса", "№ вопроса", "№ ответа", "Название опроса", "Способ", "Блок"),
            *("Муниципальное образование", "Орган", "Согласован куратором", "Начало"),
            *("Окончание", "Опрошено", "Вопрос", "Ответ", "Ответили так"),
            *("Означает удовлетворённость", _NOTE),
        ),
        survey_rows,
    ),
    "bodies": (
        (
            *("Код органа", "Наименование", "Краткое наименование", "Вид", "Основной блок"),
            *("Муниципальное образование", "Действует с", "Действует до", "Код предшественника"),
            *("Основание", "Рабочие дни", "Начало работы", "Конец работы"),
            *("Конец работы в пятницу", "Начало перерыва", "Конец перерыва", _NOTE),
        ),
        body_rows,
    ),
    "official_pages": (
        (
            *("Адрес страницы", "Орган", "Площадка", "Название", "Подтверждена", "Подписчиков"),
            *("Открыта", "Закрыта", "Проверена", "Ответственный", _NOTE),
        ),
        page_rows,
    ),
    "projects": (
        (
            *("Код проекта", "Название", "Блок", "Орган", "Руководитель проекта", "Состояние"),
            *("Дата согласования", "Дата утверждения", "Начало", "Срок", "Завершён"),
            *("Готовность в процентах", "Последний отчёт", "В дорожной карте", "Программа", _NOTE),
        ),
        project_rows,
    ),
    "project_risks": (
        (
            *("Код проекта", "№ риска", "Блок", "Риск", "Вероятность", "Последствия"),
            *("Что делается", "Ответственный", "Выявлен", "Пересмотрен", "Вынесен куратору"),
            *("Решение куратора", "Состояние", "Закрыт", _NOTE),
        ),
        risk_rows,
    ),
    "project_stages": (
        (
            *("Код проекта", "№ этапа", "Блок", "Этап", "Исполнитель", "Ответственный", "Срок"),
            *("Состояние", "Выполнен", _NOTE),
        ),
        stage_rows,
    ),
    "indicators": (
        (
            *("Код показателя", "Орган", "Период", "Показатель", "Вид показателя"),
            *("Направление работы", "Блок", "Единица", "Цель", "Заявлено", "Чем подтверждено"),
            *("Внёс значение", "Внесено", "Состояние", "Проверил", "Проверено", "Утверждено"),
            *("Причина отклонения", _NOTE),
        ),
        indicator_rows,
    ),
    "measures": (
        (
            *("№ меры", "Мера", "Вид", "Причина", "Тема обращений", "Блок"),
            *("Муниципальное образование", "Место", "Исполнитель", "Ответственный"),
            *("Начало по плану", "Срок", "Состояние", "Начата", "Выполнена", "Отменена"),
            *("Причина отмены", "№ вопроса", _NOTE),
        ),
        measure_rows,
    ),
    "orders": (
        (
            *("№ вопроса", "Вопрос", "Откуда взят", "Тема обращений", "Блок"),
            *(
                "Муниципальное образование",
                "Место",
                "Внесён",
                "Уровень",
                "Согласован куратором",
                "№ протокола",
                "Дата протокола",
            ),
            *(
                "Поручение",
                "Исполнитель",
                "Срок",
                "Исполнено",
                "Состояние",
                "Причина снятия",
                _NOTE,
            ),
        ),
        order_rows,
    ),
    "media_plans": (
        (
            *("№ в плане", "Тема", "Вид", "Площадка", "Целевая группа", "Блок"),
            *("Муниципальное образование", "Орган", "Ответственный", "Согласовано"),
            *("Дата по плану", "Состояние", "Состоялось", "Охват", "Ссылка", _NOTE),
        ),
        media_rows,
    ),
    "information_requests": (
        (
            *("№ запроса", "Кто запросил", "Вид", "Предмет", "Поступил", "Срок", "Исполнитель"),
            *("Ответственный", "Ответ отправлен", "№ ответа", _NOTE),
        ),
        request_rows,
    ),
    "corrections": (
        (
            *("Источник", "№ обращения", "Что исправлено", "Новое значение", "Причина"),
            *("Кто решил", "Когда решено", _NOTE),
        ),
        correction_rows,
    ),
    "risk_decisions": (
        (*("Ключ сигнала", "Предложение", "Решение", "Кто решил", "Когда решено"), _NOTE),
        risk_decision_rows,
    ),
}
