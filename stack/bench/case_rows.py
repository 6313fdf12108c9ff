"""Rows of `raw` of planned cases: payload and record as the loader would write them.

Every row is a JSON text with sorted names and no spaces, which is the spelling that the loader's
hash is made of. `seen_at` is the moment up to which the source tells: a record that changed after
it was first read has a version of then and one of now.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from stack.bench.case_plan import EVENTS


def sorted_json(fields: Mapping[str, str], *, keeps_nulls: bool = False) -> str:
    """An SQL expression of a JSON text: names to expressions. Nulls are left out.

    Put together as text: names of columns would be cut at 63 bytes.
    """
    parts = []
    for name in sorted(fields):
        value = f"to_json({fields[name]}{'::text' * _is_literal(fields[name])})::text"
        if keeps_nulls:
            value = f"coalesce({value}, 'null')"
        part = f"""'"{name}":' || {value} || ','"""
        parts.append(part if keeps_nulls else f"coalesce({part}, '')")
    return "'{' || rtrim(" + " || ".join(parts) + ", ',') || '}'"


def _is_literal(expression: str) -> bool:
    return re.fullmatch(r"'[^']*'", expression) is not None


def _day(moment: str) -> str:
    return f"to_char({moment} at time zone time_zone, 'DD.MM.YYYY')"


def _minute(moment: str) -> str:
    return f"to_char({moment} at time zone time_zone, 'DD.MM.YYYY HH24:MI')"


def _iso(moment: str) -> str:
    return f"to_char({moment} at time zone time_zone, 'YYYY-MM-DD\"T\"HH24:MI:SS') || utc_offset"


def _midnight(moment: str) -> str:
    return f"to_char({moment} at time zone time_zone, 'YYYY-MM-DD\"T\"00:00:00') || utc_offset"


def _written(value: str, absent: str = "-") -> str:
    """As a table writes it: text, and a dash where there is nothing."""
    return f"coalesce({value}, '{absent}')"


def _yes(condition: str) -> str:
    return f"case when {condition} then 'Да' else 'Нет' end"


# What is true of a message when it is seen; `s` is the state.
_MESSAGE_STATE = """
cross join lateral (
    select
        reopened_at <= seen_at is true as is_reopened,
        case
            when rejected_at <= seen_at then rejected_at
            when withdrawn_at <= seen_at then withdrawn_at
            when answered_again_at <= seen_at then answered_again_at
            when reopened_at <= seen_at then null
            when answered_at <= seen_at then answered_at
        end as ended_at,
        case
            when rated_again_at <= seen_at then rating_again
            when rated_at <= seen_at then rating
        end as told_rating,
        case when transferred_at <= seen_at then last_body else first_body end as body,
        (received_date + days + case when approved_at <= seen_at then 30 else 0 end) as planned_on
) as a
cross join lateral (
    select
        rejected_at <= seen_at is true or withdrawn_at <= seen_at is true as is_out,
        (coalesce(ended_at, seen_at) at time zone time_zone)::date > planned_on as is_late
) as b
cross join lateral (
    select
        case
            when ended_at is not null then 'Завершено'
            when is_reopened then 'Координация'
            when assigned_at <= seen_at then 'Исполнение'
            else 'Координация'
        end as stage,
        case
            when is_out and rejected_at is not null then 'Отклонено модератором'
            when is_out then 'Отозвано заявителем'
            when closed_at <= seen_at or closed_again_at <= seen_at then 'Закрыто'
            when ended_at is not null then 'Дан ответ автору'
            when is_reopened then 'Повторное рассмотрение'
            when assigned_at <= seen_at then 'Находится на рассмотрении'
            when routed_at <= seen_at then 'Направлено по компетенции'
            else 'Зарегистрировано'
        end as status,
        case when ended_at is not null and not is_out
            then (array['Решено', 'Решено', 'Разъяснено', 'Запланировано', 'Отказано'])[
                1 + floor(5 * bench.chance(n, 80))::int] end as resolution,
        case when bench.chance(n, 81) < 0.96 then fact end as told_fact,
        case when bench.chance(n, 82) < 0.8 then 'ЕПГУ' else 'Виджет' end as channel,
        case when is_59fz then '59-ФЗ' else 'Обычное сообщение' end as regime
) as s
"""
_CARD_STATE = """
cross join lateral (
    select answered_at <= seen_at is true as is_answered
) as s
"""
_REGISTER_STATE = """
cross join lateral (
    select
        case
            when withdrawn_at <= seen_at then withdrawn_at
            when answered_at <= seen_at then answered_at
        end as ended_at,
        withdrawn_at <= seen_at is true as is_withdrawn,
        ((received_date + days)::timestamp + interval '18 hours') at time zone time_zone as due_at
) as a
cross join lateral (
    select
        case
            when is_withdrawn then 'Отозвано' when ended_at is not null then 'Исполнено'
            else 'В работе'
        end as status,
        case
            when ended_at is null and due_at >= seen_at then null
            when coalesce(ended_at, seen_at) > due_at then 'Нет' else 'Да'
        end as verdict
) as s
"""
_REQUEST_STATE = """
cross join lateral (
    select
        case when answered_at <= seen_at then answered_at end as ended_at,
        case when bench.chance(n, 83) > 0.04 then received_at + interval '1 day' * days end
            as due_at
) as s
"""


@dataclass(frozen=True)
class Rows:
    """One entity: where its rows come from, what they hold, and when they were told of.

    `state` joins to each of `lives` what its source tells at `seen_at`; the load next after
    `changed_at` brings the row. `volatile` is what the hash of the payload leaves out.
    """

    table: str
    source_code: str
    entity: str
    native_id: str
    payload: str
    record: str
    state: str
    where: str
    changed_at: str = "last_at"
    first_where: str | None = None
    volatile: str | None = None
    lives: str = "bench.lives"
    source_changed_at: str = "null::timestamptz"


MESSAGES = Rows(
    "pos_messages",
    "pos",
    "messages",
    "native_id",
    sorted_json(
        {
            "Номер": "native_id",
            "Номер ЕПГУ": _written("case when channel = 'ЕПГУ' then (8000000000 + n)::text end"),
            "Источник": "channel",
            "Верхнеуровневый ЛКО": "region_name",
            "Категория": "category",
            "Подкатегория": "subcategory",
            "Факт": _written("told_fact"),
            "Организация, в которую поступило сообщение": "first_body",
            "Организация, в которой находится сообщение": "body",
            "Дата поступления": _day("received_at"),
            "Дата планируемого завершения работ": "to_char(planned_on, 'DD.MM.YYYY')",
            "Дата фактического завершения работ": _written(_day("ended_at"), ""),
            "Стадия": "stage",
            "Статус": "status",
            "Просрочено": _yes("is_late"),
            "Фаст-трек": _yes("is_fast"),
            "ФЗ": "regime",
            "Заявитель выбрал подачу по 59-ФЗ": _yes("is_59fz"),
            "Тип решения": _written("resolution"),
            "Направлено по email в ФОИВ, не подключенный к ПОС": "'Нет'",
            "Оценка ответа заявителем": _written("told_rating::text"),
            "Повторное рассмотрение": _yes("is_reopened"),
            "ФИО координатора": "'p_' || md5('first ' || first_body)",
            "ФИО исполнителя": "'p_' || md5('second ' || body || n % 5)",
            "ФИО руководителя": "'p_' || md5('head ' || body)",
        }
    ),
    sorted_json(
        {
            "kind": "'appeal'",
            "native_id": "native_id",
            "received_at": _midnight("received_at"),
            "received_has_time": "false",
            "source_due_at": "to_char(planned_on, 'YYYY-MM-DD\"T\"23:59:59') || utc_offset",
            "closed_at": _midnight("ended_at"),
            "closed_has_time": "case when ended_at is not null then false end",
            "is_closed": "ended_at is not null",
            "status": "status",
            "stage": "stage",
            "source_verdict": _yes("is_late"),
            "topic": "told_fact",
            "category": "category",
            "subcategory": "subcategory",
            "fact": "told_fact",
            "received_body": "first_body",
            "body": "body",
            "channel": "channel",
            "regime": "regime",
            "is_59fz": "is_59fz",
            "is_fast_track": "is_fast",
            "resolution": "resolution",
            "rating": "told_rating",
            "is_reopened": "is_reopened",
        }
    ),
    _MESSAGE_STATE,
    "source_code = 'pos'",
    first_where=(
        "bench.chance(n, 84) < 0.3"
        " and coalesce(rejected_at, assigned_at) between seen_at and known_at"
    ),
)
CARDS = Rows(
    "pos_cards",
    "pos",
    "cards",
    "native_id",
    sorted_json(
        {
            "Номер": "native_id",
            "Текст сообщения": "text",
            "Ответ заявителю": _written("case when is_answered then reply_text end"),
            "Адрес": "address",
            "Муниципалитет": "municipality",
            "Широта": _written("latitude::text", ""),
            "Долгота": _written("longitude::text", ""),
            "Поставлено вопросов": "questions::text",
            "Отвечено по существу": _written(
                "case when is_answered then least(questions, 1 + n % 3)::text end", ""
            ),
            "ФИО заявителя": "person_key",
            "Телефон": "phone",
            "Электронная почта": "email",
        }
    ),
    sorted_json(
        {
            "native_id": "native_id",
            "text": "text",
            "reply_text": _written("case when is_answered then reply_text end"),
            "address": "address",
            "municipality": "municipality",
            "latitude": "latitude",
            "longitude": "longitude",
            "questions_raised": "questions",
            "questions_answered": "case when is_answered then least(questions, 1 + n % 3) end",
            "applicant_key": "phone",
        }
    ),
    _CARD_STATE,
    "source_code = 'pos'",
    changed_at="case when answered_at <= seen_at then answered_at else received_at end",
    first_where="bench.chance(n, 84) < 0.3 and answered_at > seen_at and answered_at <= known_at",
)
_EVENT_VALUES = ",\n".join(
    f"({slot}, '{code}', '{name}', {cycle}, {moment}, {body}, "
    + ("received_date + extended_days" if code == "extension_approved" else "null::date")
    + ", "
    + ({1: "rating", 2: "rating_again"}[cycle] if code == "rated" else "null::int")
    + ")"
    for slot, (code, name, cycle, moment, body) in enumerate(EVENTS, start=1)
)
HISTORY = Rows(
    "pos_history",
    "pos",
    "history",
    "native_id || '/' || slot",
    sorted_json(
        {
            "Номер": "native_id",
            "№ п/п": "slot::text",
            "Цикл": "cycle_no::text",
            "Событие": "event_name",
            "Дата и время": _minute("occurred_at"),
            "Организация": "body",
            "Новый срок": _written("to_char(new_due_on, 'DD.MM.YYYY')"),
            "Оценка": _written("told_rating::text"),
        }
    ),
    sorted_json(
        {
            "native_id": "native_id || '/' || slot",
            "case_native_id": "native_id",
            "cycle_no": "cycle_no",
            "event": "event_code",
            "occurred_at": _iso("date_trunc('minute', occurred_at)"),
            "body": "body",
            "new_due_at": "to_char(new_due_on, 'YYYY-MM-DD\"T\"23:59:59') || utc_offset",
            "rating": "told_rating",
        }
    ),
    f"""
cross join lateral (values
{_EVENT_VALUES}
) as e (slot, event_code, event_name, cycle_no, occurred_at, body, new_due_on, told_rating)
""",
    "source_code = 'pos' and occurred_at <= known_at",
    changed_at="occurred_at",
)
REGISTER = Rows(
    "municipal_register",
    "municipal_register",
    "rows",
    "native_id",
    sorted_json(
        {
            "№ обращения": "native_id",
            "Дата регистрации": _minute("received_at"),
            "Срок исполнения": _minute("due_at"),
            "Дата исполнения": _written(_minute("ended_at"), ""),
            "Тема": "register_topic",
            "Группа тем": "register_group",
            "Исполнитель": "first_body",
            "Муниципальное образование": "municipality",
            "Адрес": "address",
            "Текст обращения": "text",
            "Заявитель": "person_key",
            "Телефон": "phone",
            "Статус": "status",
            "Срок соблюдён": _written("verdict", ""),
            "Сообщение ПОС №": _written("original_id", ""),
        }
    ),
    sorted_json(
        {
            "kind": "'appeal'",
            "native_id": "native_id",
            "received_at": _iso("received_at"),
            "received_has_time": "true",
            "source_due_at": _iso("due_at"),
            "due_at": _iso("due_at"),
            "closed_at": _iso("date_trunc('minute', ended_at)"),
            "closed_has_time": "case when ended_at is not null then true end",
            "is_closed": "ended_at is not null",
            "status": "status",
            "resolution": "status",
            "exclusion": "case when is_withdrawn then 'withdrawn' end",
            "source_verdict": _written("verdict", ""),
            "topic": "register_topic",
            "category": "register_group",
            "body": "first_body",
            "municipality": "municipality",
            "address": "address",
            "text": "text",
            "applicant_key": "phone",
            "external_number": "original_id",
        }
    ),
    _REGISTER_STATE,
    "source_code = 'municipal_register'",
    first_where="bench.chance(n, 84) < 0.3 and last_at > received_at",
)
REQUESTS = Rows(
    "open311_requests",
    "open311",
    "requests",
    "native_id",
    sorted_json(
        {
            "service_request_id": "native_id",
            "status": "case when ended_at is null then 'open' else 'closed' end",
            "status_notes": "case when ended_at is not null then reply_text end",
            "service_name": "service_name",
            "service_code": "service_code",
            "group": "service_group",
            "description": "text",
            "agency_responsible": "first_body",
            "service_notice": "null::text",
            "requested_datetime": _iso("received_at"),
            "updated_datetime": _iso("coalesce(ended_at, received_at)"),
            "closed_datetime": _iso("ended_at"),
            "expected_datetime": _iso("due_at"),
            "address": "address",
            "address_id": "null::text",
            "zipcode": "null::text",
            "municipality": "municipality",
            "lat": "latitude",
            "long": "longitude",
            "media_url": "null::text",
        },
        keeps_nulls=True,
    ),
    sorted_json(
        {
            "kind": "'request'",
            "native_id": "native_id",
            "received_at": _iso("received_at"),
            "received_has_time": "true",
            "source_due_at": _iso("due_at"),
            "due_at": _iso("due_at"),
            "closed_at": _iso("ended_at"),
            "closed_has_time": "case when ended_at is not null then true end",
            "is_closed": "ended_at is not null",
            "status": "case when ended_at is null then 'open' else 'closed' end",
            "resolution": "case when ended_at is null then 'open' else 'closed' end",
            "topic": "service_name",
            "category": "service_group",
            "text": "text",
            "reply_text": "case when ended_at is not null then reply_text end",
            "body": "first_body",
            "address": "address",
            "municipality": "municipality",
            "latitude": "latitude",
            "longitude": "longitude",
        }
    ),
    _REQUEST_STATE,
    "source_code = 'open311'",
    first_where="bench.chance(n, 84) < 0.3 and last_at > received_at",
    source_changed_at="date_trunc('second', coalesce(ended_at, received_at))",
)
_POST = {
    "id": "split_part(native_id, '_', 2)::bigint",
    "owner_id": "'p_' || md5(split_part(native_id, '_', 1))",
    "from_id": "author",
    "date": "extract(epoch from told_at)::bigint",
    "text": "told_text",
}
_POST_RECORD = {
    "native_id": "native_id",
    "received_at": _iso("told_at"),
    "received_has_time": "true",
    "text": "told_text",
    "author_key": "case when not is_by_body then author end",
    "is_by_body": "is_by_body",
    "is_deleted_at_source": "false",
    "is_repost": "false",
}
_CITIZEN = """
cross join lateral (
    select
        account as author, received_at as told_at, text as told_text, false as is_by_body,
        walls[1] || '_' || 900000 + floor(extract(epoch from received_at) / 604800)::bigint
            as host_id
) as s
"""
POSTS = Rows(
    "vk_posts",
    "vk",
    "posts",
    "native_id",
    sorted_json({**_POST, "post_type": "'post'", "type": "'post'", "marked_as_ads": "0"}),
    sorted_json(
        {
            **_POST_RECORD,
            "kind": "'post'",
            "url": "'https://vk.com/wall' || native_id",
        }
    ),
    _CITIZEN,
    "kind = 'post'",
    volatile="""jsonb_build_object('likes', jsonb_build_object('count', n % 60, 'can_like', 1),
        'views', jsonb_build_object('count', 200 + n % 5000),
        'reposts', jsonb_build_object('count', n % 7), 'is_favorite', false)""",
)
_COMMENT = {**_POST, "post_id": "split_part(host_id, '_', 2)::bigint"}
_COMMENT_RECORD = {
    **_POST_RECORD,
    "kind": "'comment'",
    "parent_native_id": "host_id",
    "url": ("'https://vk.com/wall' || host_id || '?reply=' || split_part(native_id, '_', 2)"),
}
COMMENTS = Rows(
    "vk_comments",
    "vk",
    "comments",
    "native_id",
    sorted_json(_COMMENT),
    sorted_json(_COMMENT_RECORD),
    _CITIZEN,
    "kind = 'comment'",
    volatile="jsonb_build_object('likes', jsonb_build_object('count', n % 9))",
)
# The body answers a comment in its thread.
ANSWERS = Rows(
    "vk_comments",
    "vk",
    "comments",
    "walls[1] || '_' || 5000000000 + n",
    sorted_json(
        {
            **_COMMENT,
            "id": "5000000000 + n",
            "parents_stack": "array[1000 + n]",
        }
    ),
    sorted_json(
        {
            **_COMMENT_RECORD,
            "native_id": "walls[1] || '_' || 5000000000 + n",
            "parent_native_id": "native_id",
            "url": "'https://vk.com/wall' || host_id || '?reply=' || 5000000000 + n",
        }
    ),
    """
cross join lateral (
    select
        'p_' || md5(walls[1]::text) as author,
        received_at + interval '1 minute' * (30 + floor(2400 * bench.chance(n, 85))) as told_at,
        reply_text as told_text, true as is_by_body,
        walls[1] || '_' || 900000 + floor(extract(epoch from received_at) / 604800)::bigint
            as host_id
) as s
""",
    "kind = 'comment' and bench.chance(n, 86) < 0.3 and told_at <= known_at",
    changed_at="told_at",
    volatile="jsonb_build_object('likes', jsonb_build_object('count', n % 9))",
)
# One announcement a week on the wall of the government; comments are under it.
ANNOUNCEMENTS = Rows(
    "vk_posts",
    "vk",
    "posts",
    "native_id",
    sorted_json({**_POST, "post_type": "'post'", "type": "'post'", "marked_as_ads": "0"}),
    sorted_json({**_POST_RECORD, "kind": "'post'", "url": "'https://vk.com/wall' || native_id"}),
    """
cross join lateral (
    select
        'p_' || md5(walls[1]::text) as author, received_at as told_at, true as is_by_body,
        'На этой неделе работы идут на ' || 3 + n % 240 || ' объектах, отчёт № ' || n || '.'
            as told_text
) as s
""",
    "told_at <= known_at",
    changed_at="received_at",
    volatile="jsonb_build_object('likes', jsonb_build_object('count', n % 60))",
    lives="""(
    select
        %(known_at)s::timestamptz as known_at, region_code, time_zone, utc_offset, walls, week as n,
        to_timestamp(week * 604800) as received_at, walls[1] || '_' || 900000 + week as native_id
    from bench.regions
    cross join generate_series(
        floor(extract(epoch from %(begins_at)s::timestamptz) / 604800)::bigint,
        floor(extract(epoch from %(ends_at)s::timestamptz) / 604800)::bigint - 1
    ) as week
) as weeks""",
)
CHECKED = Rows(
    "checked_replies",
    "checked_replies",
    "rows",
    "prefix || '-' || native_id || '-1'",
    sorted_json(
        {
            "№ записи": "prefix || '-' || native_id || '-1'",
            "№ обращения": "native_id",
            "Орган": "last_body",
            "Дата проверки": _day("answered_at"),
            "Ответ соответствует": "case when is_passed then 'да' else 'нет' end",
        }
    ),
    sorted_json(
        {
            "native_id": "prefix || '-' || native_id || '-1'",
            "case_native_id": "native_id",
            "body": "last_body",
            "checked_at": _midnight("answered_at"),
            "is_passed": "is_passed",
        }
    ),
    "cross join lateral (select bench.chance(n, 87) < 0.86 as is_passed) as s",
    "source_code = 'pos' and answered_at <= known_at and bench.chance(n, 88) < 0.1",
    changed_at="answered_at",
)
# Two hours of work a case over 85 % of the rostered time; weeks of 36 hours.
ROSTERS = Rows(
    "duty_rosters",
    "duty_rosters",
    "rows",
    "native_id",
    sorted_json(
        {
            "№ записи": "native_id",
            "Неделя с": "to_char(week_start, 'DD.MM.YYYY')",
            "Блок": "block_name",
            "Сотрудник": "staff",
            "Часы": "hours::text",
            "Доля": "'1.0'",
        }
    ),
    sorted_json(
        {
            "native_id": "native_id",
            "week_start": "week_start",
            "block": "block_name",
            "staff_key": "staff",
            "hours": "hours",
            "share": "1.0",
        }
    ),
    "",
    "true",
    changed_at="week_start::timestamptz",
    lives="""(
    select
        %(known_at)s::timestamptz as known_at, region_code, staff_no as n,
        week_start::date as week_start, block_name,
        'p_' || md5(concat('staff ', region_code, blocks.block_code, staff_no)) as staff,
        concat_ws('-', prefix, to_char(week_start, 'IYIW'), blocks.block_code, staff_no)
            as native_id,
        (30 + (10 * bench.chance(staff_no, 89))::int)::numeric(5, 1) as hours,
        week_start::timestamptz as received_at
    from bench.regions
    cross join bench.blocks
    cross join lateral generate_series(
        1, greatest(1, ceil(%(a_week)s * share * block_share * 2 / 0.85 / 36))::int
    ) as staff_no
    cross join generate_series(
        date_trunc('week', %(begins_at)s::timestamptz),
        date_trunc('week', %(ends_at)s::timestamptz) - interval '1 day', interval '7 days'
    ) as week_start
) as weeks""",
)
POPULATIONS = Rows(
    "populations",
    "populations",
    "rows",
    "native_id",
    sorted_json(
        {
            "№ записи": "native_id",
            "Муниципальное образование": "name",
            "ОКТМО": "place_code",
            "Год": "year::text",
            "Население": "population::text",
        }
    ),
    sorted_json(
        {
            "native_id": "native_id",
            "municipality": "name",
            "oktmo": "place_code",
            "year": "year",
            "population": "population",
        }
    ),
    "",
    "true",
    changed_at="received_at",
    lives="""(
    select
        %(known_at)s::timestamptz as known_at, region_code, place_code::bigint as n, place_code,
        name, population, year, place_code || '-' || year as native_id,
        %(begins_at)s::timestamptz as received_at
    from bench.places
    cross join generate_series(
        extract(year from %(begins_at)s::timestamptz)::int,
        extract(year from %(ends_at)s::timestamptz)::int - %(is_older)s::int
    ) as year
) as years""",
)
SERVICES = Rows(
    "open311_services",
    "open311",
    "services",
    "service_code",
    sorted_json(
        {
            "service_code": "service_code",
            "service_name": "service_name",
            "description": "service_group || ': ' || lower(service_name)",
            "metadata": "false",
            "type": "'realtime'",
            "keywords": "''",
            "group": "service_group",
        }
    ),
    sorted_json(
        {
            "native_id": "service_code",
            "service_code": "service_code",
            "service_name": "service_name",
            "group": "service_group",
        }
    ),
    "",
    "not %(is_older)s",
    changed_at="received_at",
    lives="""(
    select distinct
        %(known_at)s::timestamptz as known_at, region_code, 0::bigint as n, service_code,
        service_name, service_group, %(begins_at)s::timestamptz as received_at
    from bench.regions
    cross join bench.topics
    where service_code is not null
) as offered""",
)
CASES = (MESSAGES, CARDS, REGISTER, REQUESTS, POSTS, COMMENTS)
BESIDE_CASES = (HISTORY, ANSWERS, CHECKED)
REGISTERS = (ANNOUNCEMENTS, ROSTERS, POPULATIONS, SERVICES)


def insert(rows: Rows, *, is_first: bool) -> str:
    """The rows of one entity: versions of when they were first read, or what is known now.

    Parameters: `oldest`, the oldest day of the batch, and `known_at`. A day is counted back from
    the last load: what happened after one load is in the next.
    """
    volatile = f" || {rows.volatile}" if rows.volatile else ""
    # First read by the load that came next after the receipt.
    seen_at = (
        "known_at - interval '1 day' * floor("
        "extract(epoch from known_at - received_at)::float8 / 86400)"
        if is_first
        else "known_at"
    )
    where = f"{rows.where} and last_at > seen_at and {rows.first_where}" if is_first else rows.where
    changed_at = "received_at" if is_first else rows.changed_at
    return f"""
insert into raw.{rows.table} (
    record_key, source_code, region_code, native_id, payload, record, payload_hash, observed_at,
    source_changed_at, load_id, row_number
)
select
    bench.record_key('{rows.source_code}', region_code, '{rows.entity}', told.native_id),
    '{rows.source_code}', region_code, told.native_id,
    payload::jsonb{volatile}, record::jsonb,
    sha256(convert_to(payload || chr(10) || record, 'UTF8')),
    started_at, told.source_changed_at, load_id, 1 + (n % 100000)::int
from (
    select
        region_code, n, {rows.native_id} as native_id, {rows.payload} as payload,
        {rows.record} as record, {rows.source_changed_at} as source_changed_at,
        greatest(
            %(newest)s,
            least(
                %(oldest)s,
                floor(extract(epoch from known_at - ({changed_at}))::float8 / 86400)::int
            )
        ) as day_no
    from {rows.lives}
    cross join lateral (select {seen_at} as seen_at) as seen
    {rows.state}
    where {where}
) as told
inner join bench.loads
    using (region_code, day_no)
where loads.source_code = '{rows.source_code}' and loads.entity = '{rows.entity}'
"""  # noqa: S608 - no input of anybody is in it
