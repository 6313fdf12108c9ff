{{ config(materialized='view') }}
-- The kept rows with the moment that they are of: that moves with each build, and they do not.
with kept as (
    select * from {{ ref('kept_deadlines') }}
),

regions as (
    select * from {{ ref('dim_regions') }}
)

select
    kept.case_id,
    kept.cycle_no,
    kept.region_code,
    kept.source_code,
    kept.native_id,
    kept.body_code,
    kept.opened_at,
    kept.original_due_at,
    kept.due_at,
    kept.due_date,
    kept.source_due_at,
    kept.closed_at,
    kept.is_closed,
    kept.deadline_status,
    kept.source_verdict,
    kept.is_verdict_mismatch,
    kept.deadline_source,
    kept.rule_code,
    kept.is_extended,
    kept.exclusion_code,
    kept.is_last_cycle,
    kept.month_date,
    kept.is_opened,
    regions.as_of,
    kept.internal_rule_code,
    kept.internal_due_at,
    kept.internal_status,
    kept.first_reply_rule_code,
    kept.first_reply_due_at,
    kept.first_reply_at,
    kept.first_reply_status,
    kept.first_reply_body_code,
    kept.registration_rule_code,
    kept.registered_at,
    kept.registration_due_at,
    kept.registration_status,
    kept.registration_body_code,
    kept.forwarding_rule_code,
    kept.forwarded_at,
    kept.forwarding_due_at,
    kept.forwarding_status,
    kept.forwarding_body_code
from kept
inner join regions on kept.region_code = regions.region_code
