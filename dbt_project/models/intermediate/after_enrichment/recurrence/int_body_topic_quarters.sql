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
    where
        period_kind = 'quarter'
        and topic_code is not null
        and is_current
        and {{ is_redone('cohort_key', 'cohort_key') }}
)

select
    cohort_key,
    period_start as quarter_date,
    region_code,
    topic_code,
    body_code,
    mode() within group (order by block_code) as block_code,
    count(*) as due_cycles,
    count(*) filter (where deadline_status <> 'overdue_open') as answered_cycles,
    count(*) filter (where deadline_status = 'on_time') as on_time,
    count(*) filter (where deadline_status <> 'overdue_open' and is_returned) as returned_cycles,
    count(elapsed_ratio) as ratios,
    percentile_cont(0.5) within group (order by elapsed_ratio)::numeric as ratio_p50,
    array_agg(distinct case_id) as case_ids
from cohort
group by cohort_key, period_start, region_code, topic_code, body_code
