{{ config(materialized='view') }}
-- What the act of each region requires at the moment of its report: one row a region and module.
-- A region without a row of its own (its act is not in the configuration) owes nothing.
with modules as (
    select * from {{ ref('modules') }}
),

requirements as (
    select * from {{ ref('region_modules') }}
),

regions as (
    select * from {{ ref('int_regions') }}
)

select
    regions.region_code,
    modules.module_code,
    modules.module_name,
    modules.module_name_en,
    modules.sort_order,
    coalesce(requirements.requirement_state, 'outside the act') as requirement_state,
    coalesce(requirements.clause, regions.act) as clause,
    coalesce(requirements.valid_from, regions.valid_from) as valid_from
from regions
cross join modules
left join requirements
    on
        regions.region_code = requirements.region_code
        and modules.module_code = requirements.module_code
        and requirements.valid_from <= (regions.as_of at time zone regions.time_zone)::date
        and (
            requirements.valid_to is null
            or requirements.valid_to > (regions.as_of at time zone regions.time_zone)::date
        )
