{{ config(
    materialized='incremental',
    incremental_strategy='by_change',
    unique_key='record_key',
    pre_hook=["{{ note_moved_duplicates() }}", "{{ collect_redo('case_id', 'record_key') }}"],
    indexes=[
        {'columns': ['record_key'], 'unique': true},
        {'columns': ['case_id']},
        {'columns': ['duplicate_of_case_id']},
    ],
) }}
-- Where every case record ended, and why. The order of the branches is the order of the reasons.
with cases as (
    select * from {{ ref('int_case_records') }}
    where {{ is_redone('case_id', 'record_key') }}
),

duplicates as (
    select * from {{ ref('int_case_duplicates') }}
),

decided as (
    select
        cases.case_id,
        cases.source_code,
        cases.region_code,
        cases.native_id,
        cases.received_at is not null as has_date,
        cases.is_by_body,
        cases.kind,
        duplicates.duplicate_of_case_id,
        duplicates.evidence,
        case
            when
                cases.is_by_body
                or cases.kind is null
                or cases.kind not in ('appeal', 'request', 'post', 'comment')
                then 'not_a_case'
            when duplicates.case_id is not null then 'merged_duplicate'
            when cases.is_deleted_at_source then 'deleted_at_source'
            when cases.is_deleted then 'vanished_at_source'
            else 'in_marts'
        end as ledger_state
    from cases
    left join duplicates on cases.case_id = duplicates.case_id
)

select
    case_id as record_key,
    source_code,
    region_code,
    native_id,
    ledger_state,
    case
        when ledger_state = 'not_a_case' and is_by_body
            then 'Запись самого органа на его странице: обращением не является.'
        when ledger_state = 'not_a_case'
            then 'Запись не является ни обращением, ни публикацией жителя.'
        when ledger_state = 'merged_duplicate' and evidence = 'cross_channel_number'
            then 'Повтор: источник указывает номер сообщения ПОС.'
        when ledger_state = 'merged_duplicate'
            then 'Повтор: тот же текст поступил по другому каналу в пределах 7 дней.'
        when ledger_state = 'deleted_at_source'
            then 'Источник пометил запись удалённой; случай хранится с пометкой.'
        when ledger_state = 'vanished_at_source'
            then 'Запись исчезла из полного перечня источника; случай хранится с пометкой.'
        when not has_date
            then 'В витринах; дата поступления неизвестна, поэтому в периоды не входит.'
        else 'В витринах.'
    end as reason,
    case when ledger_state not in ('not_a_case', 'merged_duplicate') then case_id end as case_id,
    case when ledger_state = 'merged_duplicate' then duplicate_of_case_id end
        as duplicate_of_case_id,
    case when ledger_state = 'merged_duplicate' then evidence end as duplicate_evidence,
    has_date
from decided
