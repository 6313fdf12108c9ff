{{ config(
    incremental_strategy='by_change',
    unique_key='record_key',
    pre_hook="{{ collect_redo('case_id', 'record_key') }}",
    indexes=[
        {'columns': ['record_key'], 'unique': true},
        {'columns': ['source_code', 'region_code', 'ledger_state']},
    ]
) }}
with ledger as (
    select * from {{ ref('int_case_ledger') }}
    where {{ is_redone('record_key', 'record_key') }}
)

select
    record_key,
    source_code,
    region_code,
    native_id,
    ledger_state,
    reason,
    case_id,
    duplicate_of_case_id,
    duplicate_evidence,
    has_date
from ledger
