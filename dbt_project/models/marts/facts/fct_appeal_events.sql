{{ config(
    materialized='incremental',
    incremental_strategy='by_change',
    unique_key='case_id',
    on_schema_change='fail',
    pre_hook="{{ collect_redo() }}",
    indexes=[
        {'columns': ['event_id'], 'unique': true},
        {'columns': ['case_id', 'occurred_at']},
    ],
) }}
with events as (
    select * from {{ ref('int_case_events') }}
    where {{ is_redone('case_id') }}
),

ledger as (
    select * from {{ ref('int_case_ledger') }}
    where case_id is not null and {{ is_redone('case_id') }}
)

select
    events.event_id,
    events.case_id,
    events.region_code,
    events.source_code,
    events.cycle_no,
    events.event_code,
    events.occurred_at,
    events.recorded_at,
    events.body_code,
    events.new_due_at,
    events.rating,
    events.is_derived
from events
inner join ledger on events.case_id = ledger.case_id
