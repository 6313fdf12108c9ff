-- The working hours that hour norms run on: one row a different schedule, with the bodies and regions
-- that keep it in `int_body_schedules`.
with body_schedules as (
    select * from {{ ref('int_body_schedules') }}
)

select distinct
    schedule_code,
    working_days,
    work_start,
    work_end,
    short_day_end,
    break_start,
    break_end
from body_schedules
