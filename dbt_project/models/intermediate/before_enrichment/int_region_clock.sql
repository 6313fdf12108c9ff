{{ config(materialized='incremental', incremental_strategy='in_place') }}
-- As of when each region is reported, in which zone and by which calendar.
with regions as (
    select * from {{ ref('regions') }}
    where valid_to is null
),

regional_days as (
    select * from {{ ref('regional_calendar') }}
),

clock as (
    select
        region_code,
        region_name,
        time_zone,
        -- A region with days of its own has a calendar of its own (int_calendar).
        case
            when region_code in (select regional_days.region_code from regional_days)
                then region_code
            else calendar_code
        end as calendar_code,
        {{ as_of('region_code', 'as_of') }} as as_of
    from regions
)

select
    *,
    (as_of at time zone time_zone)::date as as_of_date
from clock
