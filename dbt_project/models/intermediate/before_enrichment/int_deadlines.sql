{{ config(materialized='view') }}
-- The verdicts with the moment of their region's report: they are of that moment, and stay stored while
-- it moves past nothing that would change them.
with verdicts as (
    select * from {{ ref('int_verdicts') }}
),

clock as (
    select
        region_code,
        as_of
    from {{ ref('int_region_clock') }}
)

select
    verdicts.*,
    verdicts.opened_at <= clock.as_of as is_opened,
    clock.as_of
from verdicts
left join clock on verdicts.region_code = clock.region_code
