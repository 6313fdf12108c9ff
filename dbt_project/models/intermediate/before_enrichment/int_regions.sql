{{ config(materialized='view') }}
-- Regions in force, with the modules that their acts require.
with regions as (
    select * from {{ ref('regions') }}
    where valid_to is null
),

clock as (
    select * from {{ ref('int_region_clock') }}
),

modules as (
    select * from {{ ref('region_modules') }}
    where valid_to is null
),

module_labels as (
    select
        region_code,
        max(label) filter (where module_code = 'workload') as workload_label,
        max(label) filter (where module_code = 'deadlines') as deadlines_label,
        max(label) filter (where module_code = 'rating') as rating_label
    from modules
    group by region_code
)

select
    regions.region_code,
    regions.region_name,
    regions.region_name_en,
    regions.time_zone,
    regions.calendar_code,
    regions.act,
    regions.recipients,
    regions.is_demo,
    regions.clause,
    regions.valid_from,
    module_labels.workload_label,
    module_labels.deadlines_label,
    module_labels.rating_label,
    clock.as_of
from regions
inner join clock on regions.region_code = clock.region_code
left join module_labels on regions.region_code = module_labels.region_code
