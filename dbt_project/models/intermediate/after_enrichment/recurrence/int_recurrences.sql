-- What recurs: topic × object × body with at least three cases within 180 days, of which at least one
-- was filed after the body had said «решено» about the same object (DOMAIN 5.13). A row a month that
-- the 180 days end with; the current month ends at the report's moment.
{%- set least_cases = 3 %}
with filed as (
    select
        *,
        received_at at time zone time_zone as received_local,
        first_answered_at at time zone time_zone as first_answered_local,
        last_answered_at at time zone time_zone as last_answered_local,
        as_of at time zone time_zone as as_of_local
    from {{ ref('int_filed_cases') }}
    where
        topic_code is not null
        and body_code is not null
        and object_kind in ('house', 'point', 'street')
),

-- Most groups are of one case or two, or were never told «решено».
matters as (
    select
        region_code,
        topic_code,
        object_key,
        body_code,
        min(received_local) as first_received,
        max(received_local) as last_received,
        max(as_of_local) as as_of_local
    from filed
    group by region_code, topic_code, object_key, body_code
    having count(*) >= {{ least_cases }} and bool_or(is_solved)
),

months as (
    select
        matters.region_code,
        matters.topic_code,
        matters.object_key,
        matters.body_code,
        series.month_start::date as month_date,
        least(
            series.month_start + interval '1 month' - interval '1 microsecond', matters.as_of_local
        ) as window_end
    from matters
    cross join
        lateral generate_series(
            date_trunc('month', matters.first_received),
            date_trunc(
                'month', least(matters.last_received + interval '180 days', matters.as_of_local)
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
        windows.region_code,
        windows.topic_code,
        windows.object_key,
        windows.body_code,
        windows.month_date,
        min(filed.last_answered_at) as first_solved_at
    from windows
    inner join filed
        on
            windows.region_code = filed.region_code
            and windows.topic_code = filed.topic_code
            and windows.object_key = filed.object_key
            and windows.body_code = filed.body_code
            and filed.is_solved
            and windows.window_start < filed.last_answered_local
            and windows.window_end >= filed.last_answered_local
    group by
        windows.region_code,
        windows.topic_code,
        windows.object_key,
        windows.body_code,
        windows.month_date
)

select
    windows.month_date,
    windows.region_code,
    windows.topic_code,
    windows.object_key,
    windows.body_code,
    max(filed.object_kind) as object_kind,
    max(filed.as_of) as as_of,
    mode() within group (order by filed.block_code) as block_code,
    mode() within group (order by filed.municipality_code) as municipality_code,
    mode() within group (order by filed.street_name) as street_name,
    max(windows.window_end) = max(filed.as_of_local) as is_current,
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
        windows.region_code = solved.region_code
        and windows.topic_code = solved.topic_code
        and windows.object_key = solved.object_key
        and windows.body_code = solved.body_code
        and windows.month_date = solved.month_date
inner join filed
    on
        windows.region_code = filed.region_code
        and windows.topic_code = filed.topic_code
        and windows.object_key = filed.object_key
        and windows.body_code = filed.body_code
        and windows.window_start < filed.received_local
        and windows.window_end >= filed.received_local
group by
    windows.month_date,
    windows.region_code,
    windows.topic_code,
    windows.object_key,
    windows.body_code
having
    count(*) >= {{ least_cases }}
    and count(*) filter (where filed.received_at > solved.first_solved_at) >= 1
