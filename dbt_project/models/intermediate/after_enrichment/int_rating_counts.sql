{{ config(
    materialized='incremental',
    incremental_strategy='by_change',
    unique_key='cohort_key',
    pre_hook="{{ collect_redo('cohort_key', told_by='int_rating_cohort') }}",
    indexes=[
        {'columns': ['cohort_key']},
    ],
) }}
-- What was counted of a body's cycles in a period, for each dimension but the quality of replies.
-- `amount` / `n` is the value: a count for a share, n times the median for the speed.
{%- set z = 1.96 %}
with cohort as (
    select * from {{ ref('int_rating_cohort') }}
    where is_current and cohort_key is not null and {{ is_redone('cohort_key', 'cohort_key') }}
),

by_body as (
    select
        cohort_key,
        period_kind,
        period_start,
        body_code,
        count(*) as due_cycles,
        count(*) filter (where deadline_status <> 'overdue_open') as answered_cycles,
        count(*) filter (where deadline_status = 'on_time') as on_time_cycles,
        sum(questions_raised) as questions_raised,
        sum(questions_answered) as questions_answered,
        count(rating) as rated_cases,
        count(*) filter (where rating >= 4) as satisfied_cases
    from cohort
    group by cohort_key, period_kind, period_start, body_code
),

sorted as (
    select
        cohort_key,
        period_kind,
        period_start,
        body_code,
        count(*) as n,
        array_agg(elapsed_ratio order by elapsed_ratio) as ratios
    from cohort
    where elapsed_ratio is not null
    group by cohort_key, period_kind, period_start, body_code
),

-- Median, and its interval by order statistics: ranks (n -+ z*sqrt(n))/2, rounded up.
speeds as (
    select
        cohort_key,
        period_kind,
        period_start,
        body_code,
        n,
        (ratios[(n + 1) / 2] + ratios[(n + 2) / 2]) / 2 as ratio_p50,
        ratios[ceil(0.9 * n)::int] as ratio_p90,
        ratios[greatest(1, ceil((n - {{ z }} * sqrt(n::numeric)) / 2))::int] as ratio_low,
        ratios[least(n, ceil((n + {{ z }} * sqrt(n::numeric)) / 2))::int] as ratio_high
    from sorted
),

shares as (
    select
        by_body.cohort_key,
        by_body.period_kind,
        by_body.period_start,
        by_body.body_code,
        dimensions.dimension_code,
        dimensions.amount,
        dimensions.n
    from by_body
    cross join lateral (
        values
        ('quantity', by_body.answered_cycles, by_body.due_cycles),
        ('deadlines', by_body.on_time_cycles, by_body.due_cycles),
        ('completeness', by_body.questions_answered, by_body.questions_raised),
        -- Shown beside the rating; part of it only where a region's dimensions name it (DOMAIN 5.3), and
        -- not published below ten ratings (5.5), so not observed either.
        (
            'satisfaction',
            by_body.satisfied_cases,
            case when by_body.rated_cases >= 10 then by_body.rated_cases end
        )
    ) as dimensions (dimension_code, amount, n)
)

select
    cohort_key,
    period_kind,
    period_start,
    body_code,
    dimension_code,
    amount::numeric as amount,
    n::numeric as n,
    null::numeric as ratio_p50,
    null::numeric as ratio_p90,
    null::numeric as ratio_low,
    null::numeric as ratio_high
from shares
where n > 0
union all
select
    cohort_key,
    period_kind,
    period_start,
    body_code,
    'speed' as dimension_code,
    n * ratio_p50 as amount,
    n::numeric as n,
    ratio_p50,
    ratio_p90,
    ratio_low,
    ratio_high
from speeds
