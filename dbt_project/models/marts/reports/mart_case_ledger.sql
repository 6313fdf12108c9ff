{{ config(materialized='view') }}
-- The kept ledger as of the report's moment, with the versions that it was computed with.
with ledger as (
    select * from {{ ref('kept_case_ledger') }}
),

regions as (
    select * from {{ ref('dim_regions') }}
)

select
    ledger.record_key,
    ledger.source_code,
    ledger.region_code,
    ledger.native_id,
    ledger.ledger_state,
    ledger.reason,
    ledger.case_id,
    ledger.duplicate_of_case_id,
    ledger.duplicate_evidence,
    ledger.has_date,
    regions.as_of,
    '{{ var("metric_version") }}' as metric_version,
    '{{ config_version() }}' as config_version
from ledger
-- No record is lost to a region that is not declared: a test names it.
left join regions on ledger.region_code = regions.region_code
