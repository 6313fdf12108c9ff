{{ config(materialized='view') }}
-- Regions in force, with the moment of their report.
with regions as (
    select * from {{ ref('regions') }}
    where valid_to is null
),

clock as (
    select * from {{ ref('int_region_clock') }}
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
    clock.as_of
from regions
inner join clock on regions.region_code = clock.region_code
