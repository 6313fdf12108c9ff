-- У каждого случая витрины есть хотя бы один цикл со сроком или без.
-- Every case of the marts has at least one cycle.
{{ config(store_failures=true, tags=['after_enrichment']) }}
with appeals as (
    select case_id from {{ ref('fct_appeals') }}
),

deadlines as (
    select distinct case_id from {{ ref('fct_deadlines') }}
)

select appeals.case_id
from appeals
left join deadlines on appeals.case_id = deadlines.case_id
where deadlines.case_id is null
