{{ config(
    materialized='incremental',
    incremental_strategy='by_change',
    unique_key='case_id',
    on_schema_change='fail',
    pre_hook="{{ collect_redo() }}",
    grants={'select': ['tsur_analyst', 'tsur_auditor']},
    indexes=[
        {'columns': ['case_id'], 'unique': true},
        {'columns': ['region_code', 'week_start']},
        {'columns': ['region_code', 'month_date']},
        {'columns': ['region_code', 'first_answered_at']},
        {'columns': ['applicant_key']},
    ],
    meta={'by_moment': true},
) }}
-- Each case that had come by the region's moment, with the problem that it speaks of, how it stands
-- and everything that the marts of space and time group by: they are sums over this one.
with appeals as (
    select * from {{ ref('fct_appeals') }}
    where
        not is_deleted
        and received_date is not null
        and is_received
        and {{ is_redone('case_id') }}
),

signals as (
    select
        case_id,
        normalised_text_hash
    from {{ ref('int_case_signals') }}
    where {{ is_redone('case_id') }}
),

deadlines as (
    select * from {{ ref('fct_deadlines') }}
    where is_opened and {{ is_redone('case_id') }}
),

answers as (
    select * from {{ ref('int_answered_cycles') }}
    where {{ is_redone('case_id') }}
),

handled as (
    select
        case_id,
        bool_or(deadline_status in ('on_time', 'late', 'overdue_open', 'open')) as has_term,
        bool_or(deadline_status = 'overdue_open') as is_overdue_open,
        bool_or(
            exclusion_code is null
            and not (is_closed and (closed_at is null or closed_at <= as_of))
        ) as is_open,
        (array_agg(exclusion_code order by cycle_no desc))[1] as exclusion_code
    from deadlines
    group by case_id
),

answered as (
    select
        case_id,
        count(*)::int as answered_cycles,
        count(*) filter (where is_returned)::int as returned_cycles,
        (array_agg(answered_at order by cycle_no))[1] as first_answered_at
    from answers
    group by case_id
)

select
    appeals.case_id,
    appeals.region_code,
    appeals.source_code,
    appeals.channel_code,
    appeals.regime_code,
    appeals.block_code,
    appeals.body_code,
    appeals.body_kind_code,
    appeals.municipality_code,
    appeals.received_date,
    date_trunc('week', appeals.received_date::timestamp)::date as week_start,
    date_trunc('month', appeals.received_date::timestamp)::date as month_date,
    appeals.topic_code,
    appeals.topic_title,
    appeals.topic_group,
    -- One topic at one house or point is one problem, whoever writes; the same text is one, too.
    case
        when appeals.object_kind in ('house', 'point') and appeals.topic_code is not null
            then md5(concat_ws(
                '|', appeals.region_code, appeals.municipality_code, appeals.block_code,
                appeals.topic_code, appeals.object_kind, appeals.object_key
            ))::uuid
        when signals.normalised_text_hash is not null
            then md5(concat_ws(
                '|', appeals.region_code, appeals.municipality_code, appeals.block_code,
                signals.normalised_text_hash
            ))::uuid
        else appeals.case_id
    end as problem_id,
    case
        when appeals.object_kind in ('house', 'point') and appeals.topic_code is not null
            then 'object'
        when signals.normalised_text_hash is not null then 'text'
        else 'case'
    end as problem_evidence,
    appeals.applicant_key,
    -- No source tells citizens from companies: what is known is how the applicant is known.
    case
        when appeals.applicant_key is null then 'unknown'
        when appeals.case_kind in ('post', 'comment') then 'account'
        else 'identified'
    end as applicant_class_code,
    case
        when handled.exclusion_code is not null then handled.exclusion_code
        when handled.is_open then 'open'
        else 'answered'
    end as case_state_code,
    appeals.rating,
    appeals.is_fast_track_eligible as is_urgent,
    coalesce(handled.has_term, false) as has_term,
    coalesce(handled.is_open, false) as is_open,
    coalesce(handled.is_overdue_open, false) as is_overdue_open,
    coalesce(answered.answered_cycles, 0) as answered_cycles,
    coalesce(answered.returned_cycles, 0) as returned_cycles,
    answered.first_answered_at
from appeals
left join signals on appeals.case_id = signals.case_id
left join handled on appeals.case_id = handled.case_id
left join answered on appeals.case_id = answered.case_id
