{{ config(
    materialized='incremental',
    incremental_strategy='by_change',
    unique_key='case_id',
    pre_hook="{{ collect_redo() }}",
    indexes=[{'columns': ['case_id']}],
) }}
-- The cycles that wait at the report's moment, with their block: not closed, or closed later than it.
-- Withdrawn and rejected ones, and those closed on an unknown day, wait for nobody.
with appeals as (
    select
        case_id,
        block_code
    from {{ ref('fct_appeals') }}
    where not is_deleted and {{ is_redone('case_id') }}
),

deadlines as (
    select
        case_id,
        cycle_no,
        region_code,
        opened_at,
        closed_at,
        due_at,
        due_date
    from {{ ref('fct_deadlines') }}
    where
        exclusion_code is null
        and ((closed_at is null and not is_closed) or closed_at > as_of)
        and {{ is_redone('case_id') }}
)

select
    deadlines.case_id,
    deadlines.cycle_no,
    deadlines.region_code,
    appeals.block_code,
    deadlines.opened_at,
    deadlines.closed_at,
    deadlines.due_at,
    deadlines.due_date
from deadlines
inner join appeals on deadlines.case_id = appeals.case_id
