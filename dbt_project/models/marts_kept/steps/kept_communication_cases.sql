{{ config(
    materialized='incremental',
    incremental_strategy='by_change',
    unique_key='case_id',
    pre_hook="{{ collect_redo() }}",
    indexes=[
        {'columns': ['case_id']},
        {'columns': ['found_at']},
        {'columns': ['is_current']},
    ],
    meta={'by_moment': true, 'keeps_before': true, 'keeps_equal': true},
) }}
-- What rules point at, and what a person found where none did, in the month in which it counts. What a
-- case was before it changed stays beside it (`is_current`), so that sums are made anew there too:
-- a promise or a template need not fall into a month in which anything of the case happened.
with flags as (
    select * from {{ ref('fct_communication_flags') }}
    where {{ is_redone('case_id') }}
),

corrections as (
    select * from {{ ref('int_case_corrections') }}
    where lower(new_value) = 'да' and {{ is_redone('case_id') }}
),

appeals as (
    select * from {{ ref('fct_appeals') }}
    where
        not is_deleted
        and received_date is not null
        and is_received
        and case_id = any(array(select corrections.case_id from corrections))
),

rules as (
    select * from {{ ref('int_communication_rules') }}
),

regions as (
    select * from {{ ref('dim_regions') }}
),

issues as (
    select distinct issue_code from rules
),

every_case as (
    select
        case_id,
        issue_code,
        rule_code,
        region_code,
        block_code,
        body_code,
        flagged_date,
        evidence,
        true as is_flagged,
        is_reviewed,
        is_confirmed
    from flags
    union all
    -- What a person found where no rule pointed: it counts, and says nothing of any rule.
    select
        corrections.case_id,
        corrections.field_code as issue_code,
        'PERSON' as rule_code,
        appeals.region_code,
        appeals.block_code,
        appeals.body_code,
        (corrections.decided_at at time zone regions.time_zone)::date as flagged_date,
        'решение человека' as evidence,
        false as is_flagged,
        true as is_reviewed,
        true as is_confirmed
    from corrections
    inner join issues on corrections.field_code = issues.issue_code
    inner join appeals on corrections.case_id = appeals.case_id
    inner join regions on appeals.region_code = regions.region_code
    where
        not exists (
            select 1 from flags
            where
                flags.case_id = corrections.case_id
                and flags.issue_code = corrections.field_code
        )
)

select
    case_id,
    issue_code,
    rule_code,
    region_code,
    block_code,
    body_code,
    date_trunc('month', flagged_date::timestamp)::date as month_date,
    evidence,
    is_flagged,
    is_reviewed,
    is_confirmed,
    {{ moment_of_run() }} as found_at,
    true as is_current
from every_case
