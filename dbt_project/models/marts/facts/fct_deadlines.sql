{{ config(
    indexes=[
        {'columns': ['case_id', 'cycle_no'], 'unique': true},
        {'columns': ['region_code', 'due_at']},
    ]
) }}
with deadlines as (
    select * from {{ ref('int_deadlines') }}
)

select
    case_id,
    cycle_no,
    region_code,
    source_code,
    native_id,
    body_code,
    opened_at,
    original_due_at,
    due_at,
    (due_at at time zone time_zone)::date as due_date,
    source_due_at,
    closed_at,
    is_closed,
    deadline_status,
    source_verdict,
    is_verdict_mismatch,
    deadline_source,
    rule_code,
    is_extended,
    exclusion_code,
    is_last_cycle,
    -- A month reports by the due date; a cycle without one stands in the month in which it began.
    date_trunc('month', coalesce(due_at, opened_at) at time zone time_zone)::date as month_date,
    coalesce(is_opened, true) as is_opened,
    as_of
from deadlines
