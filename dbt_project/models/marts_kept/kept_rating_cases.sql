{{ config(
    incremental_strategy='by_change',
    unique_key='cohort_key',
    pre_hook="{{ collect_redo('cohort_key', told_by='int_rating_cohort') }}",
    indexes=[
        {'columns': ['cohort_key', 'block_code'], 'unique': true},
        {'columns': ['body_code', 'period_start', 'period_kind']},
    ],
) }}
-- The cases that a body's rating of a period rests on, one row a block of the cases, because an official
-- sees those of his blocks: lists are told once, and put together when they are asked for.
with cohort as (
    select * from {{ ref('int_rating_cohort') }}
    where is_current and cohort_key is not null and {{ is_redone('cohort_key', 'cohort_key') }}
)

select
    cohort_key,
    period_kind,
    period_start,
    region_code,
    block_code,
    body_code,
    array_agg(distinct case_id) as due_case_ids,
    coalesce(
        array_agg(distinct case_id) filter (where questions_raised > 0), array[]::uuid[]
    ) as asked_case_ids,
    coalesce(
        array_agg(distinct case_id) filter (where elapsed_ratio is not null), array[]::uuid[]
    ) as timed_case_ids,
    coalesce(
        array_agg(distinct case_id) filter (where rating is not null), array[]::uuid[]
    ) as rated_case_ids
from cohort
group by cohort_key, period_kind, period_start, region_code, block_code, body_code
