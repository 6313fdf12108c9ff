{{ config(materialized='view') }}
-- The cycles of cases with the moment of their region's report.
with spans as (
    select * from {{ ref('int_cycle_spans') }}
),

clock as (
    select
        region_code,
        as_of
    from {{ ref('int_region_clock') }}
)

select
    spans.*,
    clock.as_of
from spans
left join clock on spans.region_code = clock.region_code
