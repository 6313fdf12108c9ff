-- One row a calendar and day, with the neighbours that deadlines roll over to. A day that is not in
-- the production calendar follows the week: Saturday and Sunday are off. A region that has days of
-- its own has a calendar under its own code: they stand above the one that it otherwise follows.
with exceptions as (
    select * from {{ ref('production_calendar') }}
),

regional_days as (
    select * from {{ ref('regional_calendar') }}
),

regions as (
    select * from {{ ref('regions') }}
    where valid_to is null
),

-- A day that no source names is a plain one by as many sources as there are for its year.
years as (
    select
        extract(year from calendar_date) as calendar_year,
        max(source_count) as source_count
    from exceptions
    group by extract(year from calendar_date)
),

calendars as (
    select
        calendar_code,
        calendar_code as base_code
    from (values ('ru'), ('weekends')) as base (calendar_code)
    union all
    select
        region_code as calendar_code,
        calendar_code as base_code
    from regions
    where region_code in (select regional_days.region_code from regional_days)
),

days as (
    select
        calendars.calendar_code,
        series.day::date as calendar_date,
        coalesce(regional_days.day_kind, exceptions.day_kind) as day_kind,
        coalesce(regional_days.clause, exceptions.clause) as clause,
        coalesce(regional_days.source_count, exceptions.source_count, years.source_count)
            as source_count,
        extract(isodow from series.day) >= 6 as is_weekend
    from
        generate_series(
            date '{{ var("calendar_first_date") }}',
            date '{{ var("calendar_last_date") }}',
            interval '1 day'
        ) as series (day)
    cross join calendars
    left join exceptions
        on
            calendars.base_code = 'ru'
            and exceptions.calendar_date = series.day::date
    left join regional_days
        on
            calendars.calendar_code = regional_days.region_code
            and regional_days.calendar_date = series.day::date
    left join years
        on
            calendars.base_code = 'ru'
            and years.calendar_year = extract(year from series.day)
),

judged as (
    select
        calendar_code,
        calendar_date,
        source_count,
        coalesce(day_kind, case when is_weekend then 'weekend' else 'working_day' end) as day_kind,
        clause,
        case day_kind
            when 'day_off' then false
            -- A shortened Saturday is a working day: the day before a holiday that was moved.
            when 'short_day' then true
            when 'working_weekend' then true
            when 'epidemic_day' then {{ var('epidemic_days_are_working') }}
            else not is_weekend
        end as is_working,
        coalesce(day_kind = 'short_day', false) as is_short
    from days
)

select
    calendar_code,
    calendar_date,
    day_kind,
    clause,
    source_count,
    is_working,
    is_short,
    case when not is_working then 0 when is_short then 7 else 8 end as working_hours,
    -- The number of working days up to and including this one, from the calendar's first day.
    count(*) filter (where is_working) over days_so_far as working_day_number,
    min(calendar_date) filter (where is_working) over days_ahead as next_working_date,
    max(calendar_date) filter (where is_working) over days_so_far as previous_working_date
from judged
window
    days_so_far as (
        partition by calendar_code order by calendar_date
        rows between unbounded preceding and current row
    ),
    -- Backwards: a frame that only grows is computed in one pass.
    days_ahead as (
        partition by calendar_code order by calendar_date desc
        rows between unbounded preceding and current row
    )
