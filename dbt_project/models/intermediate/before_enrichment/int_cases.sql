{{ config(materialized='view') }}
-- Every case record with the moment of its region's report: that moves with each build, and the
-- records do not.
with records as (
    select * from {{ ref('int_case_records') }}
),

clock as (
    select
        region_code,
        as_of
    from {{ ref('int_region_clock') }}
)

select
    records.*,
    clock.as_of
from records
left join clock on records.region_code = clock.region_code
