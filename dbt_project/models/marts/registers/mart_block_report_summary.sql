{{ config(
    indexes=[
        {'columns': ['region_code', 'report_date']},
    ]
) }}
-- The summary of the blocks' reports. A table of its own: in one table with its blocks a sum would count
-- twice, and it has no block, so that only who sees the whole region sees it.
with blocks as (
    select * from {{ ref('mart_block_reports') }}
),

-- A report is counted on the day on which it was due, whoever owed it.
owed as (
    select
        region_code,
        due_on,
        count(*) as reports_due,
        count(*) filter (where delivered_on <= due_on) as reports_in_time,
        count(*) filter (where is_late) as reports_late,
        array_agg(distinct report_code) as due_report_codes
    from {{ ref('int_owed_reports') }}
    where due_on is not null
    group by region_code, due_on
),

modules as (
    select
        region_code,
        module_label
    from {{ ref('dim_region_modules') }}
    where module_code = 'reports'
),

days as (
    select
        report_date,
        region_code,
        region_name,
        is_report_day,
        as_of,
        sum(intake)::bigint as intake,
        sum(answered)::bigint as answered,
        sum(open_cases)::bigint as open_cases,
        sum(overdue_cases)::bigint as overdue_cases,
        sum(due_within_3_days)::bigint as due_within_3_days,
        sum(transferred_in)::bigint as transferred_in,
        sum(transferred_out)::bigint as transferred_out,
        sum(reopened)::bigint as reopened
    from blocks
    group by report_date, region_code, region_name, is_report_day, as_of
)

select
    days.report_date,
    days.region_code,
    days.region_name,
    days.intake,
    days.answered,
    days.open_cases,
    days.overdue_cases,
    days.due_within_3_days,
    days.transferred_in,
    days.transferred_out,
    days.reopened,
    days.is_report_day,
    coalesce(owed.reports_due, 0) as reports_due,
    coalesce(owed.reports_in_time, 0) as reports_in_time,
    coalesce(owed.reports_late, 0) as reports_late,
    coalesce(owed.due_report_codes, '{}') as due_report_codes,
    -- A module that no row names is asked for by no act.
    coalesce(modules.module_label, 'вне положения') as module_label,
    days.as_of,
    '{{ var("metric_version") }}' as metric_version,
    '{{ config_version() }}' as config_version
from days
left join modules on days.region_code = modules.region_code
left join owed
    on days.region_code = owed.region_code and days.report_date = owed.due_on
