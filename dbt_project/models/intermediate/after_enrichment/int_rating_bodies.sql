{{ config(
    materialized='incremental',
    incremental_strategy='by_change',
    unique_key='cohort_key',
    pre_hook="{{ collect_redo('cohort_key', told_by='int_rating_cohort') }}",
    indexes=[
        {'columns': ['cohort_key']},
    ],
) }}
-- The bodies that a rating of a period speaks of, with their main block: the one with most of the
-- body's cases in the period; of equals, the first by code.
with cohort as (
    select * from {{ ref('int_rating_cohort') }}
    where is_current and cohort_key is not null and {{ is_redone('cohort_key', 'cohort_key') }}
),

bodies as (
    select * from {{ ref('int_bodies') }}
),

-- A case may have several cycles in a period; counting it once by sorting all cycles costs twice this.
by_case as (
    select
        cohort_key,
        period_kind,
        period_start,
        region_code,
        body_code,
        block_code,
        count(*) as due_cycles,
        count(*) filter (where deadline_status <> 'overdue_open') as answered_cycles,
        count(rating) as rated_cases,
        count(*) filter (where rating >= 4) as satisfied_cases
    from cohort
    group by cohort_key, period_kind, period_start, region_code, body_code, block_code, case_id
),

by_block as (
    select
        cohort_key,
        period_kind,
        period_start,
        region_code,
        body_code,
        block_code,
        count(*) as cases,
        sum(due_cycles) as due_cycles,
        sum(answered_cycles) as answered_cycles,
        sum(rated_cases) as rated_cases,
        sum(satisfied_cases) as satisfied_cases
    from by_case
    group by cohort_key, period_kind, period_start, region_code, body_code, block_code
)

select
    by_block.cohort_key,
    by_block.period_kind,
    by_block.period_start,
    by_block.region_code,
    by_block.body_code,
    bodies.body_kind_code,
    (
        array_agg(by_block.block_code order by by_block.cases desc, by_block.block_code asc)
    )[1] as main_block_code,
    sum(by_block.due_cycles)::bigint as due_cycles,
    sum(by_block.answered_cycles)::bigint as answered_cycles,
    sum(by_block.rated_cases)::bigint as rated_cases,
    sum(by_block.satisfied_cases)::bigint as satisfied_cases
from by_block
inner join bodies on by_block.body_code = bodies.body_code
group by
    by_block.cohort_key,
    by_block.period_kind,
    by_block.period_start,
    by_block.region_code,
    by_block.body_code,
    bodies.body_kind_code
