-- В витрине случаев ровно те случаи, которые учёт в неё направил.
-- fct_appeals holds exactly the cases that the ledger sent there.
{{ config(store_failures=true, tags=['after_enrichment']) }}
with appeals as (
    select
        case_id,
        is_deleted
    from {{ ref('fct_appeals') }}
),

ledger as (
    select
        case_id,
        ledger_state
    from {{ ref('mart_case_ledger') }}
    where case_id is not null
)

select
    coalesce(appeals.case_id, ledger.case_id) as case_id,
    ledger.ledger_state
from appeals
full join ledger on appeals.case_id = ledger.case_id
where
    appeals.case_id is null
    or ledger.case_id is null
    or appeals.is_deleted <> (ledger.ledger_state <> 'in_marts')
