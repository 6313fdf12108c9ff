{{ config(
    materialized='incremental',
    incremental_strategy='by_change',
    unique_key='case_id',
    pre_hook="{{ collect_redo() }}",
    indexes=[
        {'columns': ['case_id', 'cycle_no'], 'unique': true},
    ],
    meta={'by_moment': true},
) }}
-- Every handling that was answered by the report's moment, and whether the case came back after it.
-- Withdrawn and rejected handlings have no answer (DOMAIN 5.1).
with cycles as (
    select
        *,
        lead(opened_at) over (partition by case_id order by cycle_no) as next_opened_at,
        count(*) over (partition by case_id) as known_cycles
    from {{ ref('int_deadlines') }}
    where {{ is_redone('case_id') }}
),

cases as (
    select
        case_id,
        is_reopened
    from {{ ref('int_case_records') }}
    where not is_deleted and not is_deleted_at_source and {{ is_redone('case_id') }}
)

select
    cycles.case_id,
    cycles.cycle_no,
    cycles.region_code,
    cycles.body_code,
    cycles.opened_at,
    cycles.due_at,
    cycles.closed_at as answered_at,
    (cycles.closed_at at time zone cycles.time_zone)::date as answered_date,
    -- A source without a history says only that its case was reopened: its one answer was returned.
    coalesce(cycles.next_opened_at <= cycles.as_of, false)
    or (cases.is_reopened and cycles.known_cycles = 1) as is_returned
from cycles
inner join cases on cycles.case_id = cases.case_id
where
    cycles.exclusion_code is null
    and coalesce(cycles.is_opened, true)
    and cycles.closed_at <= cycles.as_of
