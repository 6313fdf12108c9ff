{{ config(
    materialized='incremental',
    incremental_strategy='by_change',
    unique_key='cohort_key',
    pre_hook="{{ collect_redo('cohort_key', told_by='int_rating_cohort') }}",
    indexes=[
        {'columns': ['cohort_key']},
    ],
) }}
-- How fast, how punctually and how finally a body handles a topic in a quarter: the cycles of the
-- rating's cohort (DOMAIN 5.1, 5.2), so that an open case past its term counts and ignoring hard cases
-- does not help.
with cohort as (
    select * from {{ ref('int_rating_cohort') }}
    where period_kind = 'quarter' and is_current and {{ is_redone('cohort_key', 'cohort_key') }}
),

attributes as (
    select
        case_id,
        topic_code
    from {{ ref('int_case_attributes') }}
    where topic_code is not null
),

answers as (
    select
        case_id,
        cycle_no,
        is_returned
    from {{ ref('int_answered_cycles') }}
)

select
    cohort.cohort_key,
    cohort.period_start as quarter_date,
    cohort.region_code,
    attributes.topic_code,
    cohort.body_code,
    mode() within group (order by cohort.block_code) as block_code,
    count(*) as due_cycles,
    count(*) filter (where cohort.deadline_status <> 'overdue_open') as answered_cycles,
    count(*) filter (where cohort.deadline_status = 'on_time') as on_time,
    count(*) filter (
        where cohort.deadline_status <> 'overdue_open' and answers.is_returned
    ) as returned_cycles,
    count(cohort.elapsed_ratio) as ratios,
    percentile_cont(0.5) within group (order by cohort.elapsed_ratio)::numeric as ratio_p50,
    array_agg(distinct cohort.case_id) as case_ids
from cohort
inner join attributes on cohort.case_id = attributes.case_id
left join answers on cohort.case_id = answers.case_id and cohort.cycle_no = answers.cycle_no
group by
    cohort.cohort_key,
    cohort.period_start,
    cohort.region_code,
    attributes.topic_code,
    cohort.body_code
