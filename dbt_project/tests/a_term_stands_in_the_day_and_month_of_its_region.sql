-- Дата срока и месяц отчёта — по местному времени региона.
-- The due date and the month of the report are local to the region.
{{ config(store_failures=true, tags=['after_enrichment']) }}
with deadlines as (
    select * from {{ ref('fct_deadlines') }}
),

regions as (
    select * from {{ ref('dim_regions') }}
)

select
    deadlines.case_id,
    deadlines.cycle_no,
    deadlines.due_at,
    deadlines.due_date,
    deadlines.month_date
from deadlines
inner join regions on deadlines.region_code = regions.region_code
where
    deadlines.due_date is distinct from (deadlines.due_at at time zone regions.time_zone)::date
    or deadlines.month_date is distinct from date_trunc(
        'month', coalesce(deadlines.due_at, deadlines.opened_at) at time zone regions.time_zone
    )::date
