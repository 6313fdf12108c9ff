{{ config(
    materialized='incremental',
    incremental_strategy='by_change',
    unique_key='record_key',
    pre_hook="{{ collect_redo('record_key') }}",
    indexes=[
        {'columns': ['record_key'], 'unique': true},
        {'columns': ['case_native_id', 'region_code']},
        {'columns': ['region_code', 'body']},
    ],
) }}
-- The histories of the federal platform as they were last told, by the number of their case.
with events as materialized (
    select * from {{ ref('stg_pos_history') }}
    where {{ is_redone('record_key', 'record_key') }}
),

spellings as (
    {{ spelling_keys('events', ['body']) }}
)

select
    events.*,
    spellings.spelling_key as body_key
from events
left join spellings on events.body = spellings.spelling
