{{ config(
    materialized='incremental',
    incremental_strategy='by_change',
    unique_key='case_id',
    pre_hook="{{ collect_redo() }}",
    indexes=[{'columns': ['case_id']}],
) }}
-- Each time a case was passed on: to whom, and who held it before. Few cases ever are: only their
-- holders are put in order.
with appeals as (
    select case_id from {{ ref('fct_appeals') }}
    where not is_deleted and {{ is_redone('case_id') }}
),

events as (
    select
        event_id,
        case_id,
        event_code,
        occurred_at,
        body_code
    from {{ ref('fct_appeal_events') }}
    where
        event_code in ('received', 'routed', 'transferred', 'assigned')
        and {{ is_redone('case_id') }}
),

passed_on as (
    select distinct case_id from events
    where event_code = 'transferred'
),

holders as (
    select
        events.case_id,
        events.event_id,
        events.event_code,
        events.occurred_at,
        events.body_code,
        lag(events.body_code) over (
            partition by events.case_id
            order by
                events.occurred_at,
                array_position(
                    array['received', 'routed', 'transferred', 'assigned'], events.event_code
                ),
                events.event_id
        ) as previous_body_code
    from events
    inner join passed_on on events.case_id = passed_on.case_id
    where events.body_code is not null
)

select
    holders.event_id,
    holders.case_id,
    holders.occurred_at,
    holders.body_code,
    holders.previous_body_code
from holders
inner join appeals on holders.case_id = appeals.case_id
where holders.event_code = 'transferred'
