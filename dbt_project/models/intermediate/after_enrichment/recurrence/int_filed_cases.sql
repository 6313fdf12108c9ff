{{ config(materialized='view') }}
-- The cases filed by the report's moment, with that moment.
with filings as (
    select * from {{ ref('int_case_filings') }}
    where is_current
),

clock as (
    select
        region_code,
        as_of
    from {{ ref('int_region_clock') }}
)

select
    filings.*,
    clock.as_of
from filings
left join clock on filings.region_code = clock.region_code
