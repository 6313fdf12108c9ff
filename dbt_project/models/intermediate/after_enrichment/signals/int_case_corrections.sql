-- What an operator decided about a case: one row a case and field, by the number that the operator
-- wrote. A decision about a duplicate is one about the case that survives.
with corrections as (
    select * from {{ ref('stg_corrections') }}
    where not is_deleted
),

data_sources as (
    select * from {{ ref('data_sources') }}
),

ledger as (
    select * from {{ ref('int_case_ledger') }}
),

clock as (
    select * from {{ ref('int_region_clock') }}
)

select distinct on (coalesce(ledger.case_id, ledger.duplicate_of_case_id), corrections.field_code)
    coalesce(ledger.case_id, ledger.duplicate_of_case_id) as case_id,
    corrections.region_code,
    corrections.field_code,
    corrections.new_value,
    corrections.decided_at
from corrections
inner join data_sources
    on {{ match_key('corrections.case_source') }} = {{ match_key('data_sources.source_name') }}
inner join ledger
    on
        corrections.region_code = ledger.region_code
        and data_sources.source_code = ledger.source_code
        and corrections.case_native_id = ledger.native_id
inner join clock
    on corrections.region_code = clock.region_code and corrections.decided_at <= clock.as_of
where coalesce(ledger.case_id, ledger.duplicate_of_case_id) is not null
order by
    coalesce(ledger.case_id, ledger.duplicate_of_case_id) asc,
    corrections.field_code asc,
    corrections.decided_at desc,
    corrections.record_key asc
