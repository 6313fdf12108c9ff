"""The lives of synthetic cases, as SQL that plans any number of them on the server.

A case is a number; whatever is told of it comes from hashes of that number, so that the same
number lives the same life wherever and however often it is made. Numbers grow with age: 0 is the
newest case, and the history of twice as long goes on behind it with the same intake a day.
Twenty numbers in a row are one region's and of about the same hour; tens decide the source.
"""

from __future__ import annotations

BLOCK = 20
"""How many numbers belong together: a batch has whole blocks, and its counts are exact."""
SOURCES = ("pos",) * 7 + ("municipal_register", "open311", "vk")
EVENTS_PER_CASE = 4.6
"""Rows of history for each case of any source; only messages of ПОС have a history."""

SCHEMA = """
create schema bench;
create function bench.chance(number bigint, salt bigint) returns float8
language sql immutable parallel safe
return (hashint8extended(number, salt) & 4294967295)::float8 / 4294967296;
create function bench.canonical(content jsonb) returns text
language sql immutable parallel safe
return (
    select '{' || string_agg(to_json(key)::text || ':' || value::text, ',' order by key collate "C")
        || '}'
    from jsonb_each(content)
);
create function bench.record_key(
    source_code text, region_code text, entity text, native_id text
) returns uuid
language sql immutable parallel safe
return encode(substr(sha256(convert_to(
    source_code || chr(31) || region_code || chr(31) || entity || chr(31) || native_id, 'UTF8'
)), 1, 16), 'hex')::uuid;
create table bench.regions (
    no int, region_code text, region_name text, prefix text, share float8, time_zone text,
    utc_offset text, walls bigint[], main_place text
);
create table bench.region_wheel (region_slot int primary key, region_code text);
create table bench.places (
    place_code text primary key, region_code text, name text, line text, latitude float8,
    longitude float8, population int, administration text
);
create table bench.place_wheel (
    region_code text, of_cities boolean, place_slot int, place_code text,
    primary key (region_code, of_cities, place_slot)
);
create table bench.topics (
    topic_code text primary key, block_code text, category text, subcategory text, fact text,
    register_group text, register_topic text, service_code text, service_name text,
    service_group text, may_go_fast boolean
);
create table bench.topic_wheel (
    of_source text, topic_slot int, topic_code text, primary key (of_source, topic_slot)
);
create table bench.routes (
    place_code text, block_code text, bodies text[], institution text, neighbour text,
    primary key (place_code, block_code)
);
create table bench.streets (street_id int primary key, street_name text);
create table bench.texts (
    topic_code text, text_no int, content text, primary key (topic_code, text_no)
);
create table bench.blocks (block_code text primary key, block_name text, block_share float8);
create table bench.replies (reply_no int primary key, reply text);
"""

_DAYS = "interval '1 day' * "

PLAN = """
create unlogged table bench.plan as
select
    n, c, source_code, kind, place.region_code, region.region_name, region.prefix, region.time_zone,
    region.utc_offset, region.walls,
    native_id, original_id,
    received_at,
    (received_at at time zone region.time_zone)::date as received_date,
    topic.topic_code, topic.block_code, topic.category, topic.subcategory, topic.fact,
    topic.register_group, topic.register_topic, topic.service_code, topic.service_name,
    topic.service_group,
    place.place_code, place.name as municipality,
    place.line || ', ул. ' || street_name || ', д. ' || house as address,
    case when located < 0.93
        then round((place.latitude + 0.03 * (bench.chance(street_no, 60) - 0.5)
            + 0.00004 * length(house))::numeric, 6)::float8 end as latitude,
    case when located < 0.93
        then round((place.longitude + 0.05 * (bench.chance(street_no, 61) - 0.5)
            + 0.0002 * house_no)::numeric, 6)::float8 end as longitude,
    'p_' || md5('phone ' || person) as phone, 'p_' || md5('person ' || person) as person_key,
    'p_' || md5('email ' || person) as email, 'p_' || md5('account ' || person) as account,
    case when is_template then content
        else content || ' ' || place.line || ', ' || street_name || ', ' || house
            || case when source_code = 'pos' then '. Обращение № ' else '. Заявка № ' end
            || case when slot = 1 then n else c end
    end as text,
    reply || ' № ' || n || '-р.' as reply_text,
    first_body, last_body,
    is_fast, is_59fz, days,
    registered_at, rejected_at, routed_at, transferred_at, assigned_at, withdrawn_at,
    requested_at, approved_at, notified_at,
    case when approved_at is not null then days + 30 end as extended_days,
    answered_at, rating, rated_at, reopened_at,
    assigned_again_at, answered_again_at, rating_again, rated_again_at,
    case when ended_at is not null and reopened_at is null and bench.chance(n, 50) < 0.6
        then coalesce(rated_at, answered_at)
            + {days}(1 + 8 * bench.chance(n, 51)) end as closed_at,
    case when answered_again_at is not null and bench.chance(n, 52) < 0.6
        then coalesce(rated_again_at, answered_again_at)
            + {days}(1 + 8 * bench.chance(n, 53)) end as closed_again_at,
    %(known_at)s::timestamptz as known_at,
    1 + (bench.chance(c, 54) > 0.62)::int + (bench.chance(c, 54) > 0.9)::int as questions
from (
    select %(first)s::bigint + i as n, i from generate_series(%(count)s - 1, 0, -1) as i
) as numbered
cross join lateral (select n / 20 as block_no, (n % 20)::int as slot) as s1
cross join lateral (
    -- What one case is about may be told by another: a copy in a register or on a portal, a person
    -- who sends the same twice, or who writes again of what has not been done for weeks.
    select
        (%(sources)s::text[])[slot % 10 + 1] as source_code,
        case
            when slot = 7 and bench.chance(n, 1) < 0.4 then n + 3
            when slot = 8 and bench.chance(n, 2) < 0.3 then n + 3
            when slot = 0 and bench.chance(n, 3) < 0.2 then n + 5
            when slot = 1 and bench.chance(n, 6) < 0.6
                then n - %(shift)s + 20 * floor(
                    %(a_day)s / 20 * (5 + 80 * bench.chance(n, 7))
                )::bigint
            else n
        end as c,
        bench.chance(block_no, 14) < 0.03 and slot <> 1 as is_mass,
        bench.chance(n, 40) < 0.01 as is_template
) as s2
cross join lateral (
    select
        source_code in ('municipal_register', 'open311') as is_city,
        case
            when source_code = 'open311' then 'request'
            when slot = 19 then 'comment' when slot = 9 then 'post' else 'appeal'
        end as kind,
        date_trunc(
            'minute',
            %(ends_at)s::timestamptz - interval '1 minute'
            - {days}(%(span)s * (i + bench.chance(n, 5)) / %(count)s)
        ) as received_at
) as s3
inner join bench.region_wheel as wheel
    on wheel.region_slot = floor(100 * bench.chance(c / 20, 4))::int
inner join bench.regions as region on wheel.region_code = region.region_code
cross join lateral (
    select
        region.no * 100000000 + floor(
            greatest(40, %(people)s * region.share) * power(bench.chance(c, 10), 1.5)
        )::bigint as person,
        floor(extract(epoch from received_at) / 604800)::bigint * 8 + region.no as week
) as s4
cross join lateral (
    -- Some live where they write of; a mass problem sits on six houses of the main city.
    select
        case
            when is_mass then week * 6 + floor(6 * bench.chance(c, 16))::bigint
            when bench.chance(c, 12) < 0.25 then c
            else person
        end as spot,
        case
            when is_mass then week
            when person % 11 = 0 and bench.chance(c, 18) < 0.6 then person
            else c
        end as matter
) as s5
inner join bench.place_wheel as place_slot
    on
        place_slot.region_code = region.region_code
        and place_slot.of_cities = is_city
        and place_slot.place_slot = floor(1000 * bench.chance(spot, 11))::int
inner join bench.places as place
    on place.place_code = case when is_mass then region.main_place else place_slot.place_code end
cross join lateral (
    select
        floor(%(streets)s * power(bench.chance(spot, 20), 1.4))::int as street_no,
        1 + floor(90 * power(bench.chance(spot, 21), 1.6))::int as house_no,
        bench.chance(c, 22) as located
) as s6
cross join lateral (
    select house_no
        || (array['', '', '', '', '', 'а', 'б', '/2'])[1 + floor(8 * bench.chance(spot, 23))::int]
        as house
) as s7
inner join bench.streets on street_id = street_no
inner join bench.topic_wheel as topic_slot
    on
        of_source = source_code
        and topic_slot.topic_slot = floor(1000 * bench.chance(matter, 24))::int
inner join bench.topics as topic on topic_slot.topic_code = topic.topic_code
inner join bench.texts as text
    on
        text.topic_code = topic.topic_code
        and text_no = floor(%(texts)s * bench.chance(case when slot = 1 then n else c end, 25))::int
inner join bench.replies on reply_no = floor(%(replies)s * bench.chance(n, 26))::int
inner join bench.routes as route
    on route.place_code = place.place_code and route.block_code = coalesce(topic.block_code, 'HCS')
cross join lateral (
    select
        case source_code
            when 'pos' then region.prefix || lpad(n::text, 11, '0')
            when 'municipal_register'
                then 'МР-' || region.prefix || '/' || extract(year from received_at) || '/' || n
            when 'open311' then region.prefix || '-' || n
            when 'vk' then region.walls[
                case
                    when kind = 'comment' then 1
                    else 2 + (n / 20 % (cardinality(region.walls) - 1))::int
                end
            ] || '_' || 1000 + n
        end as native_id,
        -- The register names the number of the message that it repeats.
        case when slot = 7 and c <> n then region.prefix || lpad(c::text, 11, '0') end
            as original_id,
        case
            when source_code = 'pos' then route.bodies[1 + floor(10 * bench.chance(c, 27))::int]
            when bench.chance(c, 28) < 0.12 then coalesce(route.institution, place.administration)
            else place.administration
        end as first_body,
        may_go_fast and bench.chance(n, 29) < 0.82 as is_fast,
        bench.chance(n, 30) < 0.15 as wants_59fz
) as s8
cross join lateral (
    select
        wants_59fz and not is_fast and source_code = 'pos' as is_59fz,
        case
            when source_code = 'pos' and is_fast then %(fast_days)s
            when source_code = 'pos' and wants_59fz then %(law_days)s
            when source_code = 'pos' then %(message_days)s
            when is_fast then 7
            else (array[15, 20, 30, 30])[1 + floor(4 * bench.chance(n, 31))::int]
        end as days,
        received_at + interval '1 minute' * (1 + floor(9 * bench.chance(n, 32))) as registered_at,
        source_code = 'pos' and bench.chance(n, 33) < 0.015 as is_rejected
) as s9
cross join lateral (
    select
        case when is_rejected
            then registered_at + {days}(0.2 + 2.3 * bench.chance(n, 34)) end as rejected_at,
        case when not is_rejected
            then registered_at + interval '1 hour' * (1 + 29 * bench.chance(n, 35)) end
            as routed_at
) as s10
cross join lateral (
    select case when bench.chance(n, 36) < 0.15
        then routed_at + {days}(0.5 + 5 * bench.chance(n, 37)) end as transferred_at
) as s11
cross join lateral (
    select coalesce(transferred_at, routed_at) + {days}(0.2 + 1.4 * bench.chance(n, 38))
        as assigned_at
) as s12
cross join lateral (
    -- A body is late as often as its habit is.
    select
        case when transferred_at is null then first_body
            when route.bodies[1 + floor(10 * bench.chance(n, 39))::int] = first_body
                then route.neighbour
            else route.bodies[1 + floor(10 * bench.chance(n, 39))::int]
        end as last_body,
        case when source_code <> 'open311' and bench.chance(n, 41) < 0.015
            then assigned_at + {days}(0.5 + 7 * bench.chance(n, 42)) end as withdrawn_at,
        case when not is_fast and source_code = 'pos' and not is_rejected
                and bench.chance(n, 43) < 0.07
            then greatest(
                registered_at + {days}days * (0.75 + 0.18 * bench.chance(n, 44)),
                assigned_at + interval '1 hour'
            ) end as asked_at
) as s13
cross join lateral (
    select
        case when withdrawn_at is null then asked_at end as requested_at,
        case when withdrawn_at is null
            then asked_at + interval '1 hour' * (2 + 38 * bench.chance(n, 45)) end as approved_at,
        days * case
            when bench.chance(n, 46) < 0.05 + 0.19 * bench.chance(hashtext(last_body), 47)
                then 1.04 - 0.28 * ln(1 - bench.chance(n, 48) * 0.999)
            else 0.02 + 0.48 * (bench.chance(n, 48) + bench.chance(n, 49))
        end as lasted
) as s14
cross join lateral (
    select
        case when bench.chance(n, 55) < 0.75
            then approved_at + interval '1 hour' * (1 + 19 * bench.chance(n, 56)) end
            as notified_at,
        case when withdrawn_at is null and not is_rejected
            then greatest(
                registered_at + {days}(lasted + case when asked_at is null then 0 else 30 end),
                coalesce(approved_at, assigned_at) + interval '22 hours'
            ) end as answered_at
) as s15
cross join lateral (
    select
        answered_at as ended_at,
        case when source_code = 'pos' and bench.chance(n, 57) < 0.36
            then 1 + floor(5 * power(bench.chance(n, 58), 0.8))::int end as rating
) as s16
cross join lateral (
    select case when rating is not null
        then answered_at + {days}(0.05 + 6 * bench.chance(n, 59)) end as rated_at
) as s17
cross join lateral (
    select case
        when
            source_code = 'pos'
            and bench.chance(n, 62) < case when rating <= 2 then 0.35 else 0.01 end
            then coalesce(rated_at, answered_at) + interval '1 hour' * 60 * bench.chance(n, 63)
        end as reopened_at
) as s18
cross join lateral (
    select reopened_at + {days}(0.2 + bench.chance(n, 64)) as assigned_again_at
) as s19
cross join lateral (
    select assigned_again_at + {days}days * (0.1 + bench.chance(n, 65)) as answered_again_at
) as s20
cross join lateral (
    select case when bench.chance(n, 66) < 0.4 and answered_again_at is not null
        then 1 + floor(5 * bench.chance(n, 67))::int end as rating_again
) as s21
cross join lateral (
    select case when rating_again is not null
        then answered_again_at + {days}(0.05 + 6 * bench.chance(n, 68)) end as rated_again_at
) as s22
""".replace("{days}", _DAYS)

# A slot is the number of an event in its case's history: what did not happen leaves a gap.
EVENTS = (
    ("received", "Поступило", 1, "received_at", "first_body"),
    ("registered", "Зарегистрировано", 1, "registered_at", "first_body"),
    ("rejected", "Отклонено модератором", 1, "rejected_at", "first_body"),
    ("routed", "Направлено", 1, "routed_at", "first_body"),
    ("transferred", "Перенаправлено", 1, "transferred_at", "last_body"),
    ("assigned", "Назначен исполнитель", 1, "assigned_at", "last_body"),
    ("interim_reply", "Промежуточный ответ", 1, "interim_at", "last_body"),
    ("withdrawn", "Отозвано", 1, "withdrawn_at", "last_body"),
    ("extension_requested", "Запрошено продление", 1, "requested_at", "last_body"),
    (
        *("extension_approved", "Перенос срока обработки утвержден", 1, "approved_at"),
        "last_body",
    ),
    (
        *("extension_notified", "Заявитель уведомлен о продлении", 1, "notified_at"),
        "last_body",
    ),
    ("answered", "Отправлен ответ заявителю", 1, "answered_at", "last_body"),
    ("rated", "Оценка заявителя", 1, "rated_at", "last_body"),
    ("reopened", "Повторное рассмотрение", 2, "reopened_at", "last_body"),
    ("closed", "Закрыто", 1, "closed_at", "last_body"),
    ("assigned", "Назначен исполнитель", 2, "assigned_again_at", "last_body"),
    ("answered", "Отправлен ответ заявителю", 2, "answered_again_at", "last_body"),
    ("rated", "Оценка заявителя", 2, "rated_again_at", "last_body"),
    ("closed", "Закрыто", 2, "closed_again_at", "last_body"),
)
_HAPPENED = ", ".join(
    f"case when {moment} <= known_at then {moment} end" for *_, moment, _body in EVENTS
)
# What is missing to the promised number of events are replies on the way to the answer.
INTERIM = """
create table bench.interim as
select n, least(
    assigned_at + 0.4 * (answered_at - assigned_at), assigned_at + 0.5 * (known_at - assigned_at)
) as interim_at
from bench.plan
where source_code = 'pos' and assigned_at <= known_at and answered_at is not null
    and requested_at is null
order by bench.chance(n, 70), n
limit %(missing)s
"""
HISTORY_SO_FAR = f"""
select coalesce(sum(num_nonnulls({_HAPPENED})), 0)::bigint
from (select *, null::timestamptz as interim_at from bench.plan where source_code = 'pos') as plan
"""  # noqa: S608 - no input of anybody is in it
# `last_at`: the last change of the record that is known.
LIVES = f"""
create view bench.lives as
select
    plan.*,
    interim_at,
    case
        when source_code = 'pos' then greatest({_HAPPENED})
        when source_code = 'vk' then received_at
        else greatest(
            received_at,
            case when withdrawn_at <= known_at then withdrawn_at end,
            case when answered_at <= known_at then answered_at end
        )
    end as last_at
from bench.plan
left join bench.interim using (n)
"""  # noqa: S608 - no input of anybody is in it
