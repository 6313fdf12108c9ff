{{ config(
    materialized='incremental',
    incremental_strategy='by_change',
    unique_key='case_id',
    pre_hook="{{ collect_redo() }}",
    indexes=[
        {'columns': ['case_id']},
        {'columns': ['template_key']},
        {'columns': ['found_at']},
        {'columns': ['is_current']},
    ],
    meta={'by_moment': true, 'keeps_before': true},
) }}
-- The skeleton of the reply to a case about a known object, with whose reply it is. What a case was
-- before it changed stays beside it (`is_current`).
with appeals as (
    select * from {{ ref('fct_appeals') }}
    where
        not is_deleted
        and received_date is not null
        and is_received
        and body_code is not null
        and object_key is not null
        and {{ is_redone('case_id') }}
),

signals as (
    select * from {{ ref('int_case_signals') }}
    where skeleton_hash is not null and {{ is_redone('case_id') }}
)

select
    appeals.case_id,
    appeals.object_key,
    md5(concat_ws('|', appeals.region_code, appeals.body_code, signals.skeleton_hash))::uuid
        as template_key,
    {{ moment_of_run() }} as found_at,
    true as is_current
from appeals
inner join signals on appeals.case_id = signals.case_id
