{{ config(
    materialized='incremental',
    incremental_strategy='by_change',
    unique_key='case_id',
    pre_hook="{{ collect_redo() }}",
    indexes=[{'columns': ['case_id', 'cycle_no']}],
) }}
-- One row an approval of a longer term, with the notification of its own: the first one at or after
-- it. Whether an extension counts is for `int_deadlines` to say, which knows the term then in force.
with events as (
    select * from {{ ref('int_case_events') }}
    where not is_derived and {{ is_redone('case_id') }}
),

approvals as (
    select
        event_id,
        case_id,
        cycle_no,
        occurred_at as approved_at,
        new_due_at
    from events
    where event_code = 'extension_approved'
),

notifications as (
    select
        case_id,
        cycle_no,
        occurred_at as notified_at
    from events
    where event_code = 'extension_notified'
),

paired as (
    select
        approvals.event_id,
        approvals.case_id,
        approvals.cycle_no,
        approvals.approved_at,
        approvals.new_due_at,
        min(notifications.notified_at) as notified_at
    from approvals
    left join notifications
        on
            approvals.case_id = notifications.case_id
            and approvals.cycle_no = notifications.cycle_no
            and approvals.approved_at <= notifications.notified_at
    group by
        approvals.event_id,
        approvals.case_id,
        approvals.cycle_no,
        approvals.approved_at,
        approvals.new_due_at
)

select
    case_id,
    cycle_no,
    row_number() over (
        partition by case_id, cycle_no
        order by approved_at, new_due_at, event_id
    )::int as extension_no,
    approved_at,
    notified_at,
    new_due_at
from paired
