{{ config(
    incremental_strategy='by_change',
    unique_key='case_id',
    pre_hook="{{ collect_redo() }}",
    grants={'select': ['tsur_analyst', 'tsur_auditor']},
    indexes=[
        {'columns': ['case_id', 'cycle_no'], 'unique': true},
        {'columns': ['region_code', 'due_at']},
    ],
) }}
with deadlines as (
    select * from {{ ref('int_deadlines') }}
    where {{ is_redone('case_id') }}
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
    -- the internal term of the answer
    internal_rule_code,
    internal_due_at,
    internal_status,
    -- the steps before it, each with whose it was
    first_reply_rule_code,
    first_reply_due_at,
    first_reply_at,
    first_reply_status,
    first_reply_body_code,
    registration_rule_code,
    registered_at,
    registration_due_at,
    registration_status,
    registration_body_code,
    forwarding_rule_code,
    forwarded_at,
    forwarding_due_at,
    forwarding_status,
    forwarding_body_code
from deadlines
