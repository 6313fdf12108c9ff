{{ config(
    incremental_strategy='by_change',
    unique_key='cohort_key',
    pre_hook="{{ collect_redo('cohort_key', told_by='int_rating_cohort') }}",
    indexes=[
        {'columns': ['cohort_key'], 'unique': true},
        {'columns': ['body_code', 'period_start', 'period_kind']},
    ],
) }}
-- The cases that a body's rating of a period rests on, one row a body and period: lists are told once,
-- and looked up for a dimension when they are asked for.
with cohort as (
    select * from {{ ref('int_rating_cohort') }}
    where is_current and cohort_key is not null and {{ is_redone('cohort_key', 'cohort_key') }}
),

bodies as (
    select * from {{ ref('int_rating_bodies') }}
    where {{ is_redone('cohort_key', 'cohort_key') }}
),

lists as (
    select
        cohort_key,
        array_agg(distinct case_id) as due_case_ids,
        array_agg(distinct case_id) filter (where questions_raised > 0) as asked_case_ids,
        array_agg(distinct case_id) filter (where elapsed_ratio is not null) as timed_case_ids,
        array_agg(distinct case_id) filter (where rating is not null) as rated_case_ids
    from cohort
    group by cohort_key
)

select
    bodies.cohort_key,
    bodies.period_kind,
    bodies.period_start,
    bodies.region_code,
    bodies.main_block_code,
    bodies.body_code,
    lists.due_case_ids,
    coalesce(lists.asked_case_ids, array[]::uuid[]) as asked_case_ids,
    coalesce(lists.timed_case_ids, array[]::uuid[]) as timed_case_ids,
    coalesce(lists.rated_case_ids, array[]::uuid[]) as rated_case_ids
from bodies
inner join lists on bodies.cohort_key = lists.cohort_key
