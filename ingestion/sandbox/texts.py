"""Composes what a citizen writes: clauses chosen apart from each other, then the writer's manner.

A text is a problem tied to a place and a duration, with any of: a consequence, an earlier attempt,
an emotion, a request, a signature with contacts. Manners differ (letter, plain, chat), and so do
typing habits. The grammar files hold the words of each topic; this module holds what is common.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from random import Random

from ingestion.sandbox.catalog import Place, Topic, word_list
from ingestion.sandbox.people import Person, spell_phone

# Nominative and the oblique form that follows "на" and "по улице"; genitive names do not change.
_ADJECTIVES = word_list("streets adjectives")
_GENITIVES = word_list("streets genitives")


def _oblique(name: str) -> str:
    return name[:-2] + ("ей" if name.endswith("чая") else "ой")


STREETS: tuple[tuple[str, str], ...] = tuple(
    [(name, _oblique(name)) for name in _ADJECTIVES] + [(name, name) for name in _GENITIVES]
)
DOCTORS = (
    ("кардиологу", "кардиолога"),
    ("неврологу", "невролога"),
    ("эндокринологу", "эндокринолога"),
    ("окулисту", "окулиста"),
    ("лору", "лора"),
    ("хирургу", "хирурга"),
    ("гинекологу", "гинеколога"),
    ("педиатру", "педиатра"),
    ("травматологу", "травматолога"),
    ("урологу", "уролога"),
    ("стоматологу", "стоматолога"),
    ("онкологу", "онколога"),
    ("ревматологу", "ревматолога"),
    ("дерматологу", "дерматолога"),
    ("пульмонологу", "пульмонолога"),
)
DRUGS = word_list("drugs")
_MONTHS = word_list("months genitive")
_SEASONS = ("зиму", "весну", "лето", "осень")
_GREETINGS = (
    "Здравствуйте!",
    "Добрый день!",
    "Добрый вечер!",
    "Доброго времени суток.",
    "Уважаемая администрация!",
    "Здравствуйте, обращаюсь к вам за помощью.",
    "Приветствую.",
    "Уважаемый губернатор!",
    "Всем добрый день.",
    "Доброе утро!",
    "Здравствуйте, уважаемые сотрудники!",
    "Обращаюсь уже не первый раз.",
    "Прошу прочитать до конца.",
    "Господа чиновники!",
)
_LEADS = (
    "У нас такая ситуация:",
    "Пишу вот по какому поводу:",
    "Суть проблемы:",
    "Хочу пожаловаться:",
    "Довожу до вашего сведения:",
    "Сообщаю о проблеме:",
    "Вынуждены обратиться:",
    "Опять двадцать пять:",
    "Подскажите, как быть:",
    "Проблема в следующем:",
)
_EMOTIONS = (
    "сил уже нет терпеть",
    "это издевательство над людьми",
    "просто крик души",
    "мы что, не люди",
    "стыдно за наш город",
    "надоело писать одно и то же",
    "возмущению нет предела",
    "очень надеемся на вас",
    "за что мы платим налоги",
    "руки опускаются",
    "безобразие полное",
    "живём как в прошлом веке",
    "никому ничего не надо",
    "когда уже наведут порядок",
    "заранее благодарю",
    "терпели долго, больше не можем",
    "хоть в Москву пиши",
    "одни обещания",
    "спасибо, если услышите",
    "неужели так трудно",
)
_CALLED = (
    "звонила",
    "звонил",
    "обращались",
    "писали",
    "жаловались",
    "ходили",
    "дозванивались",
    "оставляли заявку",
)
_WHERE_CALLED = (
    "в администрацию",
    "в диспетчерскую",
    "на горячую линию",
    "в приёмную главы",
    "к депутату",
    "в прокуратуру",
    "через Госуслуги",
    "в ЕДДС",
    "по 112",
    "в районный отдел",
    "ответственным лицам",
    "в приёмную губернатора",
)
_RESULTS = (
    "толку ноль",
    "отвечают отпиской",
    "обещали и забыли",
    "тишина",
    "результата нет",
    "сказали ждать",
    "перекидывают друг на друга",
    "бросают трубку",
    "прислали формальный ответ",
    "говорят, нет денег",
    "записали и всё",
    "ответили, что вопрос решён, а это неправда",
    "приехали, посмотрели и уехали",
    "посоветовали писать вам",
)
_WEEKDAYS = word_list("weekdays genitive")
_CHAT_OPENERS = (
    "а вы видели что",
    "кто-нибудь знает почему",
    "админ опубликуйте",
    "народ,",
    "ну вот опять,",
    "это нормально вообще?",
    "анонимно пожалуйста.",
    "соседи, у всех так?",
    "вопрос к властям:",
    "добавлю к посту:",
    "а у нас",
    "лучше скажите,",
)
_CHAT_CLOSERS = (
    "позор",
    "жесть",
    "и тишина",
    "куда смотрит администрация",
    "вот и вся забота",
    "спасибо властям",
    "ждём ответа",
    "репост пожалуйста",
    "кошмар какой-то",
    "как дальше жить",
    "цирк",
    "ответьте хоть кто-нибудь",
    "ау, власть",
    "сил нет",
)
_EMOJI = ("😡", "🤬", "😢", "🙏", "👎", "🤦", "‼️", "😤", "❄️", "")
_CHATTER = (
    "{Greet} {who} {lost} {where}, {ask}",
    "{Greet} {sell} {price}, {where}, {ask}",
    "{Greet} {praise} {where}. {wish}",
    "{Greet} {seek} {where}? {ask}",
    "{event} {where}, {when}. {wish}",
    "{praise} {where}, {wish}",
    "{seek} {where}, {ask}",
    "{Greet} {event}, {when}. {ask}",
)
_CHATTER_WORDS: dict[str, tuple[str, ...]] = {
    "Greet": (
        "Всем привет!",
        "Доброе утро, соседи!",
        "Добрый вечер!",
        "Здравствуйте, подписчики.",
        "Ребята,",
        "Дорогие земляки,",
        "Девочки,",
    ),
    "who": ("у моей подруги", "у ребёнка", "у мамы", "у коллеги", "у нас", "у соседки"),
    "lost": (
        "потерялся серый кот",
        "пропал телефон в синем чехле",
        "выпали ключи с брелоком",
        "улетел попугай",
        "потерялась вязаная шапка",
        "сбежала такса в ошейнике",
        "потерялся студенческий билет",
    ),
    "sell": (
        "продам детскую коляску",
        "отдам диван самовывозом",
        "продаю картошку мешками",
        "продаётся велосипед",
        "отдам котят в добрые руки",
        "продам зимнюю резину",
        "меняю аквариум на полки",
        "продам мёд со своей пасеки",
    ),
    "price": ("недорого", "за {sum} рублей", "торг", "почти даром", "за символическую цену"),
    "praise": (
        "какой красивый закат был",
        "спасибо девушке, которая вернула кошелёк",
        "очень вкусные пирожки пекут",
        "первый снег, красота",
        "отличный концерт прошёл",
        "яблони зацвели, загляденье",
        "классная выставка открылась",
        "так приятно гулять вечером",
    ),
    "seek": (
        "где можно починить швейную машинку",
        "посоветуйте хорошего парикмахера",
        "кто печёт торты на заказ",
        "куда сходить с детьми в субботу",
        "ищу репетитора по английскому",
        "где купить живую ёлку",
        "кто едет в соседний город, возьмите попутчика",
        "подскажите проверенного фотографа",
    ),
    "event": (
        "приглашаем на ярмарку мастеров",
        "будет турнир по шахматам",
        "собираемся на пробежку",
        "открывается набор в хор",
        "встреча выпускников",
        "устраиваем кинопоказ под открытым небом",
        "лекция о звёздах для всех желающих",
    ),
    "when": (
        "в субботу в {n} часов",
        "{day} числа",
        "в ближайшие выходные",
        "после {n} вечера",
        "в воскресенье с утра",
    ),
    "ask": (
        "пишите в личку",
        "кто знает, отзовитесь",
        "буду благодарна за репост",
        "подробности в сообщения",
        "вознаграждение гарантирую",
        "звоните {phone}",
        "отмечу лучший совет",
    ),
    "wish": (
        "всем хорошего дня",
        "берегите друг друга",
        "люблю наш город",
        "приходите с детьми",
        "пусть так будет всегда",
        "с праздником всех",
        "не проходите мимо",
    ),
}
_REPLY_STARTS = (
    "Уважаемый заявитель!",
    "Здравствуйте!",
    "Добрый день!",
    "Рассмотрев Ваше обращение, сообщаем следующее.",
    "На Ваше сообщение информируем.",
    "В ответ на Ваше обращение поясняем.",
)
_REPLY_FACTS = (
    "специалистами проведён выезд {day} {month}",
    "по указанному адресу организована проверка",
    "факты, изложенные в сообщении, нашли подтверждение",
    "доводы обращения подтвердились частично",
    "вопрос рассмотрен с участием подрядной организации",
    "составлен акт осмотра № {num}",
    "с исполнителем проведена разъяснительная работа",
    "информация направлена в подведомственное учреждение",
)
_REPLY_ACTIONS = (
    "работы выполнены в полном объёме",
    "устранение запланировано до {day} {next_month}",
    "выдано предписание со сроком исполнения {n} рабочих дней",
    "мероприятие включено в план текущего года",
    "нарушения устранены, произведён перерасчёт",
    "работы будут выполнены при благоприятных погодных условиях",
    "заявителю даны необходимые разъяснения",
    "решение вопроса находится на контроле",
    "выделение средств рассматривается при уточнении бюджета",
    "правовых оснований для удовлетворения просьбы не имеется",
)
_REPLY_ENDS = (
    "Контактный телефон для уточнений: {phone}.",
    "Приносим извинения за доставленные неудобства.",
    "Благодарим за активную гражданскую позицию.",
    "Дополнительно сообщаем, что Вы вправе обжаловать ответ.",
    "Спасибо за обращение.",
    "При необходимости обращайтесь по телефону {phone}.",
)
_ANNOUNCEMENTS = (
    "В регионе продолжается {work}.",
    "Сегодня глава провёл совещание: обсудили {work}.",
    "Отвечаем на вопросы о том, как идёт {work}.",
    "Рассказываем в карточках: {work}.",
    "Итоги недели: {work}.",
    "Прямой эфир о главном: {work}. Задавайте вопросы в комментариях.",
)
_WORKS = (
    "подготовка к отопительному сезону",
    "ремонт дорог по национальному проекту",
    "запись детей в школы и детские сады",
    "обновление автобусного парка",
    "вывоз отходов и установка контейнеров",
    "капитальный ремонт поликлиник",
    "догазификация домовладений",
    "уборка снега и противогололёдная обработка",
    "выплата мер социальной поддержки",
    "благоустройство парков и скверов",
    "замена уличных светильников",
    "подготовка к паводку",
)


@dataclass(frozen=True)
class Address:
    """One object: house, street and municipality; the flat belongs to the writer."""

    place: Place
    street: str
    street_oblique: str
    house: str
    flat: int
    latitude: float
    longitude: float

    @property
    def line(self) -> str:
        """Without the flat, as a source writes the place of a problem."""
        prefix = f"{self.place.settlement_kind} {self.place.settlement}"
        return f"{prefix}, ул. {self.street}, д. {self.house}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _sentence(text: str) -> str:
    text = _capital(text.strip())
    return text if text.endswith((".", "!", "?", "…")) else text + "."


def _fill(rng: Random, text: str) -> str:
    """Puts numbers, doctors, drugs and sums into the slots of a phrase."""
    if "{" not in text:
        return text
    doctor_dative, doctor_genitive = rng.choice(DOCTORS)
    return (
        text.replace("{n}", str(rng.randint(2, 9)))
        .replace("{t}", str(rng.randint(11, 17)))
        .replace("{sum}", str(rng.randint(11, 98) * 100 + rng.choice((0, 0, 20, 50, 47))))
        .replace("{kids}", str(rng.randint(24, 39)))
        .replace("{doc_dat}", doctor_dative)
        .replace("{doc_gen}", doctor_genitive)
        .replace("{drug}", rng.choice(DRUGS))
    )


def _since(rng: Random, day: date) -> str:
    kind = rng.randrange(9)
    if kind == 0:
        return f"{rng.choice(('второй', 'третий', 'четвёртый', 'пятый', 'шестой'))} день"
    if kind == 1:
        return f"уже {rng.choice(('вторую', 'третью', 'четвёртую'))} неделю"
    if kind == 2:
        start = day - timedelta(days=rng.randint(2, 45))
        return f"с {start.day} {_MONTHS[start.month - 1]}"
    if kind == 3:
        return f"с {rng.choice(_WEEKDAYS)}"
    if kind == 4:
        return f"всю {_SEASONS[day.month % 12 // 3]}".replace("всю лето", "всё лето")
    if kind == 5:
        return rng.choice(("больше месяца", "почти месяц", "полтора месяца", "целую неделю"))
    if kind == 6:
        return f"уже дней {rng.randint(5, 25)}"
    if kind == 7:
        return f"с начала {_MONTHS[day.month - 1]}"
    return rng.choice(("постоянно", "каждый день", "который год", "снова", "с прошлого года"))


def _where(rng: Random, topic: Topic, address: Address) -> str:
    """The place as the middle of a sentence says it; may be empty."""
    town = address.place.settlement
    street, bent, house = address.street, address.street_oblique, address.house
    in_town = f"в {address.place.settlement_locative}"
    kind = topic.place_kind
    if kind == "none":
        return rng.choice((in_town, "", f"{in_town}", f"г. {town}" if house == "1" else in_town))
    if kind == "house":
        return rng.choice(
            (
                f"в доме {house} по улице {bent}",
                f"на {bent}, {house}",
                f"в нашем доме на {bent} {house}",
                f"по адресу {address.place.settlement_kind} {town}, ул. {street}, д. {house}",
                f"по адресу: {town}, {street} {house}, кв. {address.flat}",
                f"у нас на {bent}, дом {house}, квартира {address.flat}",
                f"ул. {street} {house}",
            )
        )
    if kind == "road":
        return rng.choice(
            (
                f"на улице {bent}",
                f"{in_town} на {bent}",
                f"на {bent} возле дома {house}",
                f"по улице {bent} в районе дома {house}",
                f"напротив дома {house} по {bent}",
                f"{town}, ул. {street}",
                f"на повороте с {bent} у дома {house}",
            )
        )
    if kind == "yard":
        return rng.choice(
            (
                f"во дворе дома {house} по улице {bent}",
                f"у дома {house} на {bent}",
                f"возле {bent} {house}",
                f"{in_town}, двор на {bent} {house}",
                f"за домом {house} по {bent}",
                f"ул. {street}, {house}, двор",
            )
        )
    number = 1 + (len(street) * 7 + len(town)) % 47
    if kind == "clinic":
        return rng.choice(
            (
                f"в поликлинике № {number % 12 + 1}",
                f"в районной больнице, {town}",
                f"{in_town} в поликлинике",
                f"в городской больнице № {number % 9 + 1}",
                f"в детской поликлинике на {bent}",
                f"в поликлинике на {bent}",
                f"в ЦРБ ({town})",
            )
        )
    if kind in ("school", "kindergarten"):
        school = (
            f"в школе № {number}",
            f"{in_town} в школе {number}",
            f"в гимназии № {number}",
            f"в школе на {bent}",
        )
        garden = (
            f"в детском саду № {number}",
            f"{in_town} в садике № {number}",
            f"в детсаду на {bent}",
            f"в саду {number} ({town})",
        )
        return rng.choice(garden if kind == "kindergarten" else (*school, garden[0]))
    if kind == "route":
        route = 1 + (number * 3 + len(house)) % 60
        return rng.choice(
            (
                f"автобус № {route}",
                f"маршрут {route}",
                f"маршрутка {route}",
                f"автобус {route} до остановки «{street}»",
                f"маршрут № {route} ({town})",
            )
        )
    return rng.choice(
        (
            in_town,
            f"у нас {in_town}",
            f"{address.place.settlement_kind} {town}, улица {street}",
            f"{in_town} на {bent}",
        )
    )


def _main(rng: Random, topic: Topic, address: Address, day: date) -> list[str]:
    """One or two sentences: the problem, its place and how long it lasts."""
    phrase = rng.choice(topic.phrases)
    problem = _fill(rng, phrase.text)
    where = _where(rng, topic, address)
    since = _since(rng, day)
    if topic.place_kind == "route":
        joint = " " if phrase.is_state and problem.startswith("не ") else ": "
        head = f"{where}{joint}{problem}"
        if rng.random() < 0.5:
            return [_sentence(head)]
        return [_sentence(head), _sentence(rng.choice((f"и так {since}", f"терпим {since}")))]
    shape = rng.randrange(6)
    if phrase.is_state and shape < 3:
        parts = (
            (since, where, problem),
            (where, since, problem),
            (where, problem, since),
        )[shape]
        return [_sentence(" ".join(part for part in parts if part))]
    if shape == 3 and where:
        return [_sentence(f"{where} {problem}")]
    if shape == 4 and where:
        return [
            _sentence(problem),
            _sentence(f"{rng.choice(('это', 'всё это', 'речь о месте:'))} {where}"),
        ]
    if rng.random() < 0.4:
        tail = rng.choice((f"и так {since}", f"продолжается {since}", f"тянется это {since}"))
        return [_sentence(f"{problem}, {where}" if where else problem), _sentence(tail)]
    return [_sentence(f"{problem}, {where}" if where else problem)]


def _attempt(rng: Random, day: date) -> str:
    when = day - timedelta(days=rng.randint(1, 60))
    how = f"{rng.choice(_CALLED)} {rng.choice(_WHERE_CALLED)}"
    shape = rng.randrange(5)
    result = rng.choice(_RESULTS)
    if shape == 0:
        return f"{how} {when.day} {_MONTHS[when.month - 1]}, {result}"
    if shape == 1:
        return f"{how} раз {rng.randint(2, 12)}, {result}"
    if shape == 2:
        return f"{how}, заявка № {rng.randint(1000, 98999)}, {result}"
    if shape == 3:
        return f"{result}, хотя {how}"
    return f"{how}: {result}"


def _signature(rng: Random, person: Person, address: Address) -> str:
    phone = spell_phone(rng, person.phone)
    return rng.choice(
        (
            f"С уважением, {person.full_name}.",
            f"{person.surname} {person.name[0]}.{person.patronymic[0]}., тел. {phone}",
            f"{person.name} {person.patronymic}, {phone}.",
            f"Мой телефон {phone}, {person.name}.",
            f"Ответ прошу направить на {person.email}.",
            f"Жильцы дома, {person.full_name}, кв. {address.flat}.",
            f"Звоните {phone}",
            f"Почта для ответа {person.email}, {person.short_name}",
            f"С уважением, {person.name}",
        )
    )


_SLIPS = (
    ("здравствуйте", "здраствуйте"),
    ("пожалуйста", "пожалуста"),
    ("вообще", "вобще"),
    ("сейчас", "щас"),
    ("ничего", "ничево"),
    ("что-нибудь", "чтонибудь"),
    ("не могу", "немогу"),
    ("никто", "ни кто"),
    ("когда", "кагда"),
    ("тся ", "ться "),
    ("ё", "е"),
    ("ё", "е"),
)


def _type_carelessly(rng: Random, text: str) -> str:
    """Typing habits: slips, swapped letters, lost commas and capitals, doubled marks."""
    for right, wrong in _SLIPS:
        if rng.random() < 0.3:
            text = text.replace(right, wrong)
    if rng.random() < 0.35:
        text = text.replace(",", "")
    if rng.random() < 0.3:
        text = text.replace(". ", "... ") if rng.random() < 0.3 else text.replace(". ", "! ", 1)
    if rng.random() < 0.25:
        text = text[:1].lower() + text[1:]
    if rng.random() < 0.3 and len(text) > 30:
        at = rng.randrange(8, len(text) - 8)
        if text[at].isalpha() and text[at + 1].isalpha():
            text = text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    if rng.random() < 0.06:
        text = text.upper()
    return text


def compose_complaint(
    rng: Random, *, topic: Topic, address: Address, person: Person, day: date, manner: str
) -> str:
    """A citizen's text of one topic; ``manner`` is letter, plain or chat."""
    main = _main(rng, topic, address, day)
    detail = _fill(rng, rng.choice(topic.details))
    request = _fill(rng, rng.choice(topic.requests))
    if manner == "chat":
        extras = [detail, request, rng.choice(_EMOTIONS), rng.choice(_CHAT_CLOSERS)]
        rng.shuffle(extras)
        pieces = [*main, *[_sentence(extra) for extra in extras[: rng.randint(1, 2)]]]
        text = " ".join(pieces)
        if rng.random() < 0.45:
            text = f"{rng.choice(_CHAT_OPENERS)} {text[:1].lower()}{text[1:]}"
        if rng.random() < 0.5:
            text = f"{text} {rng.choice(_EMOJI)}".strip()
        if rng.random() < 0.04:
            text = f"{text} {spell_phone(rng, person.phone)}"
        return _type_carelessly(rng, text) if rng.random() < 0.7 else text
    extras = [detail]
    if rng.random() < 0.3:
        second = _fill(rng, rng.choice(topic.details))
        if second != detail:
            extras.append(second)
    if rng.random() < 0.5:
        extras.append(_attempt(rng, day))
    if rng.random() < 0.3:
        extras.append(rng.choice(_EMOTIONS))
    rng.shuffle(extras)
    if manner == "plain":
        extras = extras[: rng.randint(1, 2)]
    pieces = [*main, *[_sentence(extra) for extra in extras]]
    if rng.random() < 0.15:
        pieces = [pieces[-1], *pieces[:-1]]
    if rng.random() < 0.2:
        lead = rng.choice(_LEADS)
        pieces[0] = f"{lead} {pieces[0][:1].lower()}{pieces[0][1:]}"
    if rng.random() < (0.75 if manner == "letter" else 0.25):
        pieces.insert(0, rng.choice(_GREETINGS))
    if rng.random() < 0.8:
        pieces.append(_sentence(request))
    if rng.random() < (0.4 if manner == "letter" else 0.12):
        pieces.append(_signature(rng, person, address))
    if topic.block_code == "SOC" and rng.random() < 0.06:
        snils = f"{rng.randrange(1000):03d}-{rng.randrange(1000):03d}-{rng.randrange(1000):03d}"
        pieces.append(f"СНИЛС {snils} {rng.randrange(100):02d}.")
    text = " ".join(pieces)
    return _type_carelessly(rng, text) if rng.random() < 0.3 else text


def compose_chatter(rng: Random, *, address: Address, person: Person, day: date) -> str:
    """What people write in a city community that is no complaint."""
    text = rng.choice(_CHATTER)
    for slot, words in _CHATTER_WORDS.items():
        text = text.replace("{" + slot + "}", rng.choice(words))
    text = text.replace(
        "{where}",
        rng.choice(
            (
                f"в {address.place.settlement_locative}",
                f"на {address.street_oblique}",
                f"у дома {address.house} на {address.street_oblique}",
            )
        ),
    )
    text = text.replace("{day}", str(day.day)).replace("{phone}", spell_phone(rng, person.phone))
    text = _sentence(_fill(rng, text))
    return f"{text} {rng.choice(_EMOJI[5:])}".strip() if rng.random() < 0.3 else text


def compose_reply(rng: Random, *, day: date, phone: str) -> str:
    """A body's formal answer."""
    pieces = [
        rng.choice(_REPLY_STARTS),
        _sentence(rng.choice(_REPLY_FACTS)),
        _sentence(rng.choice(_REPLY_ACTIONS)),
    ]
    if rng.random() < 0.5:
        pieces.append(rng.choice(_REPLY_ENDS))
    earlier = day - timedelta(days=rng.randint(1, 9))
    later = day + timedelta(days=rng.randint(20, 60))
    return (
        " ".join(pieces)
        .replace("{day}", str(earlier.day))
        .replace("{month}", _MONTHS[earlier.month - 1])
        .replace("{next_month}", _MONTHS[later.month - 1])
        .replace("{num}", str(rng.randint(10, 999)))
        .replace("{n}", str(rng.randint(3, 30)))
        .replace("{phone}", spell_phone(rng, phone))
    )


def compose_announcement(rng: Random, *, day: date) -> str:
    """What an authority publishes on its own wall."""
    lead = rng.choice(_ANNOUNCEMENTS).replace("{work}", rng.choice(_WORKS))
    second = f"На {day.day} {_MONTHS[day.month - 1]} объектов в работе: {rng.randint(3, 240)}."
    return f"{lead} {second}"
