{{ config(
    materialized='incremental',
    incremental_strategy='by_change',
    unique_key='record_key',
    pre_hook="{{ collect_redo('record_key') }}",
    indexes=[
        {'columns': ['record_key'], 'unique': true},
        {'columns': ['native_id', 'region_code']},
    ],
) }}
-- The cards of the federal platform as they were last told, by the number of their case.
select * from {{ ref('stg_pos_cards') }}
where {{ is_redone('record_key', 'record_key') }}
