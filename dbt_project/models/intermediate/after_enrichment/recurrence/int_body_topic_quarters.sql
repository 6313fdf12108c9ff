{{ config(
    materialized='incremental',
    incremental_strategy='by_change',
    unique_key='cohort_key',
    pre_hook="{{ collect_redo(
        'cohort_key', told_by='int_rating_cohort', also=answered_quarters()
    ) }}",
    indexes=[
        {'columns': ['cohort_key']},
    ],
) }}
-- How fast, how punctually and how finally a body handles a topic in a quarter (DOMAIN 5.14): what it
-- answered in the quarter, and of what fell due in it how much was on time (5.1). Cycles are the
-- rating's.
with due as (
    select * from {{ ref('int_rating_cohort') }}
    where
        period_kind = 'quarter'
        and topic_code is not null
        and is_current
        and {{ is_redone('cohort_key', 'cohort_key') }}
),

answered as (
    select * from {{ ref('int_rating_cohort') }}
    where
        answer_key is not null
        and topic_code is not null
        and is_current
        and {{ is_redone('answer_key', 'cohort_key') }}
),

cycles as (
    select
        cohort_key,
        period_start as quarter_date,
        region_code,
        topic_code,
        body_code,
        block_code,
        case_id,
        false as is_answer,
        deadline_status,
        null::boolean as is_returned,
        -- What waits past its term has no quarter of an answer: it enters with its term's, so that
        -- leaving hard cases open does not make a body fast.
        case when deadline_status = 'overdue_open' then elapsed_ratio end as elapsed_ratio
    from due
    union all
    select
        answer_key as cohort_key,
        answered_quarter_date as quarter_date,
        region_code,
        topic_code,
        body_code,
        block_code,
        case_id,
        true as is_answer,
        deadline_status,
        is_returned,
        elapsed_ratio
    from answered
)

select
    cohort_key,
    quarter_date,
    region_code,
    topic_code,
    body_code,
    mode() within group (order by block_code) as block_code,
    count(*) filter (where not is_answer) as due_cycles,
    count(*) filter (where is_answer) as answered_cycles,
    count(*) filter (where not is_answer and deadline_status = 'on_time') as on_time,
    count(*) filter (where is_answer and is_returned) as returned_cycles,
    count(elapsed_ratio) as ratios,
    percentile_cont(0.5) within group (order by elapsed_ratio)::numeric as ratio_p50,
    array_agg(distinct case_id) as case_ids
from cycles
group by cohort_key, quarter_date, region_code, topic_code, body_code
