"""What one day brings to cases that are there: new versions of records, and events.

A message without an answer gets one, a message with an answer is rated, and returned where the
rating is low. Registers and portals close what was open and correct what was closed; a post is
edited, so that its text is a new one.
"""

from __future__ import annotations

RECENT_DAYS = 60
"""How old a case may be that counts as one of late."""

# The margin keeps a case recent until the build that follows reads it.
CHOOSE = """
create table bench.chosen_{table} as
with known as (
    select distinct on (record_key)
        record_key, (record ->> 'received_at')::timestamptz as received_at
    from raw.{table}
    where not is_deleted and coalesce(record ->> 'is_by_body', 'false') = 'false'
),
ranked as (
    select
        record_key,
        received_at > %(known_at)s::timestamptz - interval '59 days' as is_recent,
        hashtextextended(record_key::text, %(day)s) as draw
    from known
    where received_at > %(known_at)s::timestamptz - interval '59 days'
        or received_at < %(known_at)s::timestamptz - interval '61 days'
),
picked as (
    (select record_key from ranked where is_recent order by draw limit %(recent)s)
    union all
    (select record_key from ranked where not is_recent order by draw limit %(older)s)
)
select
    newest.*,
    hashtextextended(newest.record_key::text, 1000 + %(day)s) as draw,
    %(known_at)s::timestamptz - interval '20 hours'
        * bench.chance(hashtextextended(newest.record_key::text, %(day)s), 90) as changed_at
from picked
cross join lateral (
    select raw_id, record_key, region_code, native_id, payload, record
    from raw.{table} as r
    where r.record_key = picked.record_key
    order by raw_id desc limit 1
) as newest
"""
_STAMP = "to_char(changed_at at time zone time_zone, '{form}')"
_MIDNIGHT = _STAMP.format(form='YYYY-MM-DD"T"00:00:00') + " || utc_offset"
_MOMENT = _STAMP.format(form='YYYY-MM-DD"T"HH24:MI:SS') + " || utc_offset"
_MINUTE = _STAMP.format(form='YYYY-MM-DD"T"HH24:MI:00') + " || utc_offset"
_INSERT = """
insert into raw.{table} (
    record_key, source_code, region_code, native_id, payload, record, payload_hash, observed_at,
    source_changed_at, load_id, row_number
)
select
    record_key, loads.source_code, loads.region_code, native_id, payload, record,
    sha256(convert_to(bench.canonical(payload - '{{likes,views,reposts,is_favorite}}'::text[])
        || chr(10) || bench.canonical(record), 'UTF8')),
    started_at, {source_changed_at}, load_id, 1
from ({rows}) as told
inner join bench.loads
    on
        told.region_code = loads.region_code
        and loads.source_code = '{source}' and loads.entity = '{entity}' and loads.day_no = 0
"""


def _insert(
    table: str, source: str, entity: str, rows: str, source_changed_at: str = "null::timestamptz"
) -> str:
    return _INSERT.format(
        table=table, source=source, entity=entity, rows=rows, source_changed_at=source_changed_at
    )


_MESSAGE_STEPS = f"""
select
    chosen.*, time_zone, utc_offset,
    not coalesce((record ->> 'is_closed')::boolean, false) as is_open,
    coalesce((record ->> 'is_reopened')::boolean, false) as was_reopened,
    coalesce((record ->> 'rating')::int, (abs(draw) % 5)::int) % 5 + 1 as new_rating,
    {_MIDNIGHT} as midnight,
    to_char(changed_at at time zone time_zone, 'DD.MM.YYYY') as on_day
from bench.chosen_pos_messages as chosen
inner join bench.regions using (region_code)
"""  # noqa: S608 - no input of anybody is in it
_MESSAGES = f"""
select
    record_key, region_code, native_id,
    case
        when is_open then record || jsonb_build_object(
            'is_closed', true, 'closed_at', midnight, 'closed_has_time', false,
            'stage', 'Завершено', 'status', 'Дан ответ автору', 'resolution', 'Решено'
        )
        when new_rating > 2 then record || jsonb_build_object('rating', new_rating)
        else record - '{{closed_at,closed_has_time,resolution}}'::text[]
            || jsonb_build_object(
                'rating', new_rating, 'is_reopened', true, 'is_closed', false,
                'stage', 'Координация', 'status', 'Повторное рассмотрение'
            )
    end as record,
    payload || case
        when is_open then jsonb_build_object(
            'Дата фактического завершения работ', on_day, 'Стадия', 'Завершено',
            'Статус', 'Дан ответ автору', 'Тип решения', 'Решено'
        )
        when new_rating > 2 then jsonb_build_object('Оценка ответа заявителем', new_rating::text)
        else jsonb_build_object(
            'Оценка ответа заявителем', new_rating::text, 'Повторное рассмотрение', 'Да',
            'Дата фактического завершения работ', '', 'Тип решения', '-',
            'Стадия', 'Координация', 'Статус', 'Повторное рассмотрение'
        )
    end as payload
from ({_MESSAGE_STEPS}) as steps
"""  # noqa: S608 - no input of anybody is in it
_CARDS = f"""
select
    card.record_key, steps.region_code, steps.native_id,
    card.record || jsonb_build_object('reply_text', answer) as record,
    card.payload || jsonb_build_object('Ответ заявителю', answer) as payload
from ({_MESSAGE_STEPS}) as steps
cross join lateral (
    select record_key, record, payload from raw.pos_cards as r
    where r.record_key = bench.record_key('pos', steps.region_code, 'cards', steps.native_id)
    order by raw_id desc limit 1
) as card
inner join bench.replies on reply_no = abs(draw) % (select count(*) from bench.replies)
cross join lateral (select reply || ' № ' || steps.native_id || '-д.' as answer) as a
where is_open
"""  # noqa: S608 - no input of anybody is in it
# Numbers of a day's events lie behind those that a life is planned with.
_HISTORY = f"""
select
    bench.record_key('pos', region_code, 'history', event_id) as record_key, region_code,
    event_id as native_id,
    jsonb_strip_nulls(jsonb_build_object(
        'native_id', event_id, 'case_native_id', steps.native_id, 'cycle_no', cycle_no,
        'event', event_code, 'occurred_at', {_MINUTE}, 'body', steps.record ->> 'body',
        'rating', case when event_code = 'rated' then new_rating end
    )) as record,
    jsonb_build_object(
        'Номер', steps.native_id, '№ п/п', split_part(event_id, '/', 2), 'Цикл', cycle_no::text,
        'Событие', event_name,
        'Дата и время', to_char(changed_at at time zone time_zone, 'DD.MM.YYYY HH24:MI'),
        'Организация', steps.record ->> 'body', 'Новый срок', '-',
        'Оценка', case when event_code = 'rated' then new_rating::text else '-' end
    ) as payload
from ({_MESSAGE_STEPS}) as steps
cross join lateral (values
    (1, 'answered', 'Отправлен ответ заявителю', 1 + was_reopened::int, is_open),
    (2, 'rated', 'Оценка заявителя', 1 + was_reopened::int, not is_open),
    (3, 'reopened', 'Повторное рассмотрение', 2 + was_reopened::int,
        not is_open and new_rating <= 2)
) as e (step, event_code, event_name, cycle_no, happened)
cross join lateral (
    select steps.native_id || '/' || 100 + 10 * %(day)s + step as event_id
) as i
where happened
"""  # noqa: S608 - no input of anybody is in it
_REGISTER = f"""
select
    record_key, region_code, native_id,
    record || case
        when record ? 'closed_at' then jsonb_build_object('source_verdict', other_verdict)
        else jsonb_build_object(
            'closed_at', {_MINUTE}, 'closed_has_time', true, 'is_closed', true,
            'status', 'Исполнено', 'resolution', 'Исполнено', 'source_verdict', 'Да'
        )
    end as record,
    payload || case
        when record ? 'closed_at' then jsonb_build_object('Срок соблюдён', other_verdict)
        else jsonb_build_object(
            'Дата исполнения', to_char(changed_at at time zone time_zone, 'DD.MM.YYYY HH24:MI'),
            'Статус', 'Исполнено', 'Срок соблюдён', 'Да'
        )
    end as payload
from bench.chosen_municipal_register
inner join bench.regions using (region_code)
cross join lateral (
    select case when record ->> 'source_verdict' = 'Да' then 'Нет' else 'Да' end as other_verdict
) as v
"""  # noqa: S608 - no input of anybody is in it
_REQUESTS = f"""
select
    record_key, region_code, native_id, changed_at,
    record || case
        when record ? 'closed_at'
            then jsonb_build_object('reply_text', 'Дополнено. ' || (record ->> 'reply_text'))
        else jsonb_build_object(
            'closed_at', {_MOMENT}, 'closed_has_time', true, 'is_closed', true,
            'status', 'closed', 'resolution', 'closed', 'reply_text', 'Выполнено по ' || native_id
        )
    end as record,
    payload || jsonb_build_object('updated_datetime', {_MOMENT}) || case
        when record ? 'closed_at'
            then jsonb_build_object('status_notes', 'Дополнено. ' || (record ->> 'reply_text'))
        else jsonb_build_object(
            'closed_datetime', {_MOMENT}, 'status', 'closed',
            'status_notes', 'Выполнено по ' || native_id
        )
    end as payload
from bench.chosen_open311_requests
inner join bench.regions using (region_code)
"""  # noqa: S608 - no input of anybody is in it
_EDITED = """
select
    record_key, region_code, native_id, changed_at,
    record || jsonb_build_object('text', edited) as record,
    payload || jsonb_build_object('text', edited, 'edited', floor(extract(epoch from changed_at)))
        as payload
from bench.chosen_{table}
cross join lateral (select (record ->> 'text') || ' Дополнено на день ' || %(day)s as edited) as e
"""
_CHANGED = "date_trunc('second', changed_at)"
TABLES = ("pos_messages", "municipal_register", "open311_requests", "vk_posts", "vk_comments")
CHANGES = (
    _insert("pos_messages", "pos", "messages", _MESSAGES),
    _insert("pos_cards", "pos", "cards", _CARDS),
    _insert("pos_history", "pos", "history", _HISTORY),
    _insert("municipal_register", "municipal_register", "rows", _REGISTER),
    _insert("open311_requests", "open311", "requests", _REQUESTS, _CHANGED),
    _insert("vk_posts", "vk", "posts", _EDITED.format(table="vk_posts"), _CHANGED),
    _insert("vk_comments", "vk", "comments", _EDITED.format(table="vk_comments"), _CHANGED),
)
