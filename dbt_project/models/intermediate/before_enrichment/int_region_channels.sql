{{ config(materialized='view') }}
-- What the act of each region covers at the moment of its report: one row a region and channel.
-- A region whose act is not in the configuration covers none.
with channels as (
    select * from {{ ref('int_channels') }}
),

regions as (
    select * from {{ ref('int_regions') }}
),

covered as (
    select * from {{ ref('region_channels') }}
)

select
    regions.region_code,
    channels.channel_code,
    channels.channel_name,
    channels.sort_order,
    coalesce(covered.is_covered, false) as is_covered,
    covered.wording,
    coalesce(covered.clause, '—') as clause,
    coalesce(covered.valid_from, regions.valid_from) as valid_from
from regions
cross join channels
left join covered
    on
        regions.region_code = covered.region_code
        and channels.channel_code = covered.channel_code
        and {{ in_force('covered', 'regions.as_of_date') }}
