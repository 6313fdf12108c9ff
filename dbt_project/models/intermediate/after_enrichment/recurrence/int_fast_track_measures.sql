{{ config(
    materialized='incremental',
    incremental_strategy='by_change',
    unique_key='case_id',
    pre_hook="{{ collect_redo() }}",
    indexes=[
        {'columns': ['case_id']},
        {'columns': ['region_code', 'month_date']},
    ],
    meta={'by_moment': true},
) }}
-- What the fast track is measured by (DOMAIN 5.7): every case in the month in which it was filed, and
-- every handling under a fast norm in the month in which that norm ended. The norm is the one of the
-- day of filing, also where the case was returned later, and without extensions: a fast track that was
-- prolonged is none.
with filed as (
    select * from {{ ref('int_case_filings') }}
    where is_current and {{ is_redone('case_id') }}
),

cases as (
    select
        case_id,
        regime_code,
        channel_code,
        is_fast_track
    from {{ ref('int_case_records') }}
    where {{ is_redone('case_id') }}
),

attributes as (
    select
        case_id,
        topic_code,
        is_fast_track_eligible
    from {{ ref('int_case_attributes') }}
    where {{ is_redone('case_id') }}
),

rules as (
    select * from {{ ref('deadline_rules') }}
    where
        is_fast_track
        and reply_kind = 'final'
        and basis <> 'internal'
        and coalesce(is_active, true)
),

deadlines as (
    select * from {{ ref('int_deadlines') }}
    where
        exclusion_code is null
        and coalesce(is_opened, true)
        and fast_track_due_at <= as_of
        and not (is_closed and closed_at is null)
        and {{ is_redone('case_id') }}
),

-- Only where a fast norm was in force on the day of filing could a case go the fast way.
with_norm as (
    select distinct filed.case_id
    from filed
    inner join cases on filed.case_id = cases.case_id
    inner join attributes on filed.case_id = attributes.case_id
    inner join rules
        on
            cases.regime_code = rules.regime_code
            and rules.region_code in (filed.region_code, '*')
            and (rules.channel_code is null or cases.channel_code = rules.channel_code)
            and (rules.topic_code is null or attributes.topic_code = rules.topic_code)
            and {{ in_force('rules', 'filed.received_date') }}
)

select
    'filed' as cohort,
    filed.case_id,
    1 as cycle_no,
    filed.region_code,
    date_trunc('month', filed.received_date::timestamp)::date as month_date,
    filed.block_code,
    filed.body_code,
    filed.municipality_code,
    filed.channel_code,
    cases.is_fast_track,
    attributes.is_fast_track_eligible and with_norm.case_id is not null as is_eligible,
    with_norm.case_id is not null as has_fast_norm,
    null as deadline_status
from filed
inner join cases on filed.case_id = cases.case_id
inner join attributes on filed.case_id = attributes.case_id
left join with_norm on filed.case_id = with_norm.case_id
union all
select
    'due' as cohort,
    filed.case_id,
    deadlines.cycle_no,
    filed.region_code,
    date_trunc('month', deadlines.fast_track_due_at at time zone filed.time_zone)::date as month_date,
    filed.block_code,
    deadlines.body_code,
    filed.municipality_code,
    filed.channel_code,
    cases.is_fast_track,
    attributes.is_fast_track_eligible and with_norm.case_id is not null as is_eligible,
    with_norm.case_id is not null as has_fast_norm,
    case
        when deadlines.closed_at <= deadlines.fast_track_due_at then 'on_time'
        when deadlines.closed_at <= deadlines.as_of then 'late'
        else 'overdue_open'
    end as deadline_status
from deadlines
inner join filed on deadlines.case_id = filed.case_id
inner join cases on filed.case_id = cases.case_id
inner join attributes on filed.case_id = attributes.case_id
left join with_norm on filed.case_id = with_norm.case_id
