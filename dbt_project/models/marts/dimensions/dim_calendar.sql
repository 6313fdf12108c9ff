with calendar as (
    select * from {{ ref('int_calendar') }}
),

regions as (
    select * from {{ ref('int_region_clock') }}
)

select
    regions.region_code,
    calendar.calendar_date,
    calendar.day_kind,
    calendar.is_working,
    calendar.is_short,
    calendar.working_hours::int as working_hours,
    date_trunc('week', calendar.calendar_date::timestamp)::date as week_start,
    date_trunc('month', calendar.calendar_date::timestamp)::date as month_start,
    date_trunc('quarter', calendar.calendar_date::timestamp)::date as quarter_start,
    calendar.clause,
    calendar.source_count::int as source_count
from calendar
inner join regions on calendar.calendar_code = regions.calendar_code
