{{ config(
    materialized='incremental',
    incremental_strategy='by_change',
    unique_key='case_id',
    pre_hook=["{{ note_passed_moments() }}", "{{ collect_redo() }}"],
    indexes=[
        {'columns': ['case_id'], 'unique': true},
        {'columns': ['region_code', 'next_change_at']},
    ],
    meta={'by_moment': true},
) }}
-- The first and the last rating of a case: the last one counts, the first is kept (DOMAIN 5.5). The
-- history tells each with its time; a record without one tells the last, and no time. `*_as_of`: what
-- had been told by the report's moment.
with cases as (
    select
        case_id,
        region_code,
        rating,
        as_of
    from {{ ref('int_cases') }}
    where {{ is_redone('case_id') }}
),

events as (
    select
        case_id,
        event_id,
        occurred_at,
        rating
    from {{ ref('int_case_events') }}
    where event_code = 'rated' and rating is not null and {{ is_redone('case_id') }}
),

told as (
    select
        events.case_id,
        (array_agg(events.rating order by events.occurred_at, events.event_id))[1]
            as first_rating,
        (array_agg(events.rating order by events.occurred_at desc, events.event_id desc))[1]
            as last_rating,
        (
            array_agg(
                events.rating
                order by events.occurred_at, events.event_id
            ) filter (where events.occurred_at <= cases.as_of)
        )[1] as first_rating_as_of,
        (
            array_agg(
                events.rating
                order by events.occurred_at desc, events.event_id desc
            ) filter (where events.occurred_at <= cases.as_of)
        )[1] as last_rating_as_of,
        min(events.occurred_at) filter (where events.occurred_at > cases.as_of) as next_change_at
    from events
    inner join cases on events.case_id = cases.case_id
    group by events.case_id
)

select
    cases.case_id,
    cases.region_code,
    coalesce(told.first_rating, cases.rating) as first_rating,
    coalesce(cases.rating, told.last_rating) as last_rating,
    case when told.case_id is null then cases.rating else told.first_rating_as_of end
        as first_rating_as_of,
    case when told.case_id is null then cases.rating else told.last_rating_as_of end
        as last_rating_as_of,
    told.next_change_at
from cases
left join told on cases.case_id = told.case_id
where coalesce(cases.rating, told.last_rating) is not null
