-- Срок по правилу лежит внутри календаря: иначе перенос с выходного не сработал.
-- A due date by rule lies within the calendar, or rolling over could not work.
{{ config(store_failures=true, tags=['after_enrichment']) }}
with deadlines as (
    select * from {{ ref('fct_deadlines') }}
    where deadline_source = 'rule' and due_date is not null
),

calendar as (
    select * from {{ ref('dim_calendar') }}
)

select
    deadlines.case_id,
    deadlines.cycle_no,
    deadlines.due_date
from deadlines
left join calendar
    on
        deadlines.region_code = calendar.region_code
        and deadlines.due_date = calendar.calendar_date
where calendar.calendar_date is null
