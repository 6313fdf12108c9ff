{{ config(materialized='view') }}
-- What the act of each region covers at the moment of its report: one row a region and kind of body.
-- A region whose act is not in the configuration covers none.
with body_kinds as (
    select * from {{ ref('int_body_kinds') }}
),

regions as (
    select * from {{ ref('int_regions') }}
),

covered as (
    select * from {{ ref('region_body_kinds') }}
)

select
    regions.region_code,
    body_kinds.body_kind_code,
    body_kinds.body_kind_name,
    body_kinds.sort_order,
    coalesce(covered.is_covered, false) as is_covered,
    covered.wording,
    coalesce(covered.clause, '—') as clause,
    coalesce(covered.valid_from, regions.valid_from) as valid_from
from regions
cross join body_kinds
left join covered
    on
        regions.region_code = covered.region_code
        and body_kinds.body_kind_code = covered.body_kind_code
        and {{ in_force('covered', 'regions.as_of_date') }}
