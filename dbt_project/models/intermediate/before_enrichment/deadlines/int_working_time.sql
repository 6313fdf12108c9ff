{{ config(
    indexes=[{'columns': ['schedule_code', 'calendar_code', 'seconds_after', 'calendar_date']}]
) }}
-- Working time of every schedule by day, and the sum of it so far: hours of a norm are added to a sum
-- and looked up again, as `working_day_number` does for days. Times are local.
with schedules as (
    select * from {{ ref('int_work_schedules') }}
),

calendar as (
    select * from {{ ref('int_calendar') }}
),

holidays as (
    select * from {{ ref('public_holidays') }}
),

weekdays as (
    select
        schedules.*,
        calendar.calendar_code,
        calendar.calendar_date,
        calendar.day_kind,
        calendar.is_working,
        calendar.is_short,
        extract(isodow from calendar.calendar_date)::int as weekday,
        case schedules.working_days
            when 'mon-fri' then array[1, 2, 3, 4, 5]
            when 'mon-sat' then array[1, 2, 3, 4, 5, 6]
            when 'tue-sat' then array[2, 3, 4, 5, 6]
            when 'mon-sun' then array[1, 2, 3, 4, 5, 6, 7]
        end as own_weekdays
    from schedules
    cross join calendar
),

days as (
    select
        weekdays.*,
        case
            -- Bodies that work on weekends do so but for holidays.
            when weekdays.day_kind = 'weekend'
                then
                    weekdays.weekday = any(weekdays.own_weekdays)
                    and holidays.holiday_name is null
            -- A Saturday or Sunday that was made a working day is one for everybody.
            when weekdays.weekday >= 6 then weekdays.is_working
            else weekdays.is_working and weekdays.weekday = any(weekdays.own_weekdays)
        end as is_working_day
    from weekdays
    left join holidays
        on
            weekdays.day_kind = 'weekend'
            and weekdays.calendar_code <> 'weekends'
            and extract(month from weekdays.calendar_date) = holidays.month
            and extract(day from weekdays.calendar_date) = holidays.day
            and {{ in_force('holidays', 'weekdays.calendar_date') }}
),

ends as (
    select
        *,
        -- ТК ст. 95: an hour less before a holiday.
        case when weekday = 5 then coalesce(short_day_end, work_end) else work_end end
        - case when is_short then interval '1 hour' else interval '0' end as day_end
    from days
),

-- Before and after the break; without one, or when the day ends before it, all is before it.
parts as (
    select
        *,
        least(day_end, coalesce(break_start, day_end)) as morning_end,
        least(day_end, coalesce(break_end, day_end)) as afternoon_start
    from ends
),

measured as (
    select
        *,
        case
            when is_working_day then extract(epoch from morning_end - work_start)::bigint else 0
        end as morning_seconds,
        case
            when is_working_day then extract(epoch from day_end - afternoon_start)::bigint else 0
        end as afternoon_seconds
    from parts
)

select
    schedule_code,
    calendar_code,
    calendar_date,
    is_working_day,
    work_start,
    morning_end,
    afternoon_start,
    day_end,
    morning_seconds,
    afternoon_seconds,
    sum(morning_seconds + afternoon_seconds) over days_so_far
    - morning_seconds - afternoon_seconds as seconds_before,
    sum(morning_seconds + afternoon_seconds) over days_so_far as seconds_after
from measured
window
    days_so_far as (
        partition by schedule_code, calendar_code order by calendar_date
        rows between unbounded preceding and current row
    )
