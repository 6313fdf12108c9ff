-- As of when each region is reported, in which zone and by which calendar.
with regions as (
    select * from {{ ref('regions') }}
    where valid_to is null
)

select
    region_code,
    region_name,
    time_zone,
    calendar_code,
    {{ as_of('region_code', 'as_of') }} as as_of
from regions
