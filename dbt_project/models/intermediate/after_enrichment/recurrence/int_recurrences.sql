{{ config(
    materialized='incremental',
    incremental_strategy='by_change',
    unique_key='object_topic_key',
    pre_hook="{{ collect_redo(
        'object_topic_key', also=still_moving(), told_by='int_case_filings'
    ) }}",
    indexes=[
        {'columns': ['object_topic_key']},
        {'columns': ['region_code', 'month_date']},
    ],
    meta={'by_moment': true},
) }}
-- What recurs: topic × object × body with at least three cases within 180 days, of which at least one
-- was filed after the body had said «решено» about the same object (DOMAIN 5.13). A row a month that
-- the 180 days end with; the current month ends at the report's moment.
{%- set least_cases = 3 %}
with clock as (
    select
        region_code,
        as_of at time zone time_zone as as_of_local
    from {{ ref('int_region_clock') }}
),

filed as (
    select
        *,
        received_at at time zone time_zone as received_local,
        first_answered_at at time zone time_zone as first_answered_local,
        last_answered_at at time zone time_zone as last_answered_local
    from {{ ref('int_case_filings') }}
    where
        is_current
        and topic_code is not null
        and body_code is not null
        and object_kind in ('house', 'point', 'street')
        and {{ is_redone('object_topic_key', 'object_topic_key') }}
),

-- Most groups are of one case or two, or were never told «решено».
matters as (
    select
        object_topic_key,
        body_code,
        max(region_code) as region_code,
        min(received_local) as first_received,
        max(received_local) as last_received
    from filed
    group by object_topic_key, body_code
    having count(*) >= {{ least_cases }} and bool_or(is_solved)
),

months as (
    select
        matters.object_topic_key,
        matters.body_code,
        series.month_start::date as month_date,
        least(
            series.month_start + interval '1 month' - interval '1 microsecond', clock.as_of_local
        ) as window_end
    from matters
    inner join clock on matters.region_code = clock.region_code
    cross join
        lateral generate_series(
            date_trunc('month', matters.first_received),
            date_trunc(
                'month', least(matters.last_received + interval '180 days', clock.as_of_local)
            ),
            interval '1 month'
        ) as series (month_start)
),

windows as (
    select
        *,
        window_end - interval '180 days' as window_start
    from months
),

-- «Решено» counts where it was said within the 180 days, whenever the case itself was filed.
solved as (
    select
        windows.object_topic_key,
        windows.body_code,
        windows.month_date,
        min(filed.last_answered_at) as first_solved_at
    from windows
    inner join filed
        on
            windows.object_topic_key = filed.object_topic_key
            and windows.body_code = filed.body_code
            and filed.is_solved
            and windows.window_start < filed.last_answered_local
            and windows.window_end >= filed.last_answered_local
    group by
        windows.object_topic_key,
        windows.body_code,
        windows.month_date
)

select
    windows.month_date,
    filed.region_code,
    filed.topic_code,
    filed.object_key,
    windows.body_code,
    windows.object_topic_key,
    max(filed.object_kind) as object_kind,
    mode() within group (order by filed.block_code) as block_code,
    mode() within group (order by filed.municipality_code) as municipality_code,
    mode() within group (order by filed.street_name) as street_name,
    min(filed.received_date) as first_received_date,
    max(filed.received_date) as last_received_date,
    count(*) as cases,
    count(distinct filed.applicant_key) as people,
    count(*) filter (where filed.first_answered_local <= windows.window_end) as answered_cases,
    count(*) filter (where filed.received_at > solved.first_solved_at) as cases_after_solved,
    array_agg(filed.case_id order by filed.case_id) as case_ids
from windows
inner join solved
    on
        windows.object_topic_key = solved.object_topic_key
        and windows.body_code = solved.body_code
        and windows.month_date = solved.month_date
inner join filed
    on
        windows.object_topic_key = filed.object_topic_key
        and windows.body_code = filed.body_code
        and windows.window_start < filed.received_local
        and windows.window_end >= filed.received_local
group by
    windows.month_date,
    filed.region_code,
    filed.topic_code,
    filed.object_key,
    windows.body_code,
    windows.object_topic_key
having
    count(*) >= {{ least_cases }}
    and count(*) filter (where filed.received_at > solved.first_solved_at) >= 1
