-- Every day once: what MetricFlow fills days without a row from.
with calendar as (
    select * from {{ ref('dim_calendar') }}
)

select distinct calendar_date as date_day
from calendar
