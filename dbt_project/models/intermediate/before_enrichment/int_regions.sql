{{ config(materialized='view') }}
-- Regions in force, with the moment of their report.
with regions as (
    select * from {{ ref('regions') }}
    where valid_to is null
),

clock as (
    select * from {{ ref('int_region_clock') }}
),

recipients as (
    select
        region_code,
        string_agg(recipient_name, '; ' order by recipient_name) as recipients
    from {{ ref('recipients') }}
    where valid_to is null
    group by region_code
)

select
    regions.region_code,
    regions.region_name,
    regions.region_name_en,
    regions.time_zone,
    clock.calendar_code,
    regions.act,
    coalesce(recipients.recipients, 'адресат не назван') as recipients,
    regions.is_demo,
    regions.clause,
    regions.valid_from,
    clock.as_of,
    clock.as_of_date
from regions
inner join clock on regions.region_code = clock.region_code
left join recipients on regions.region_code = recipients.region_code
