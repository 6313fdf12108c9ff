{{ config(materialized='view') }}
-- What was counted for each dimension of a body in a period. `amount` / `n` is the value: a count for
-- a share, n times the median for the speed.
with counts as (
    select * from {{ ref('int_rating_counts') }}
),

checks as (
    select * from {{ ref('int_checked_replies') }}
    where body_code is not null
),

checked as (
    select
        periods.period_kind,
        date_trunc(periods.period_kind, checks.checked_date::timestamp)::date as period_start,
        checks.body_code,
        checks.is_passed
    from checks
    cross join (values ('month'), ('quarter')) as periods (period_kind)
),

qualities as (
    select
        period_kind,
        period_start,
        body_code,
        count(*) filter (where is_passed) as amount,
        count(*) as n
    from checked
    group by period_kind, period_start, body_code
)

select
    period_kind,
    period_start,
    body_code,
    dimension_code,
    amount,
    n,
    ratio_p50,
    ratio_p90,
    ratio_low,
    ratio_high
from counts
union all
select
    period_kind,
    period_start,
    body_code,
    'quality' as dimension_code,
    amount::numeric as amount,
    n::numeric as n,
    null::numeric as ratio_p50,
    null::numeric as ratio_p90,
    null::numeric as ratio_low,
    null::numeric as ratio_high
from qualities
