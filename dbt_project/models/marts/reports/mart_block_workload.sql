{{ config(materialized='view') }}
-- The weeks with their cases: each list is looked up when it is asked for, and has a case as often as
-- the week counts it. Open cases are those of all days up to the end of the week.
with workload as (
    select * from {{ ref('kept_block_workload') }}
),

-- Several lists read it: as a step of its own it would be read as a whole.
case_days as not materialized (
    select * from {{ ref('kept_case_days') }}
    where is_current
),

region_modules as (
    select * from {{ ref('dim_region_modules') }}
    where module_code = 'workload'
)

select
    workload.week_start,
    workload.region_code,
    workload.region_name,
    workload.block_code,
    workload.block_name,
    workload.intake,
    workload.reopened,
    workload.closures,
    workload.open_cases,
    workload.mean_daily_closures_28d,
    workload.backlog_days,
    workload.work_hours,
    workload.capacity_hours,
    workload.rostered_fte,
    workload.occupancy_share,
    workload.occupancy_band,
    workload.intake_per_fte,
    workload.open_per_fte,
    workload.work_hours_per_fte,
    workload.net_flow,
    workload.is_staffing_proposed,
    workload.is_computed,
    workload.not_computed_reason,
    {{ cases_of_week('intake') }} as intake_case_ids,
    {{ cases_of_week('reopened') }} as reopened_case_ids,
    {{ cases_of_week('closures') }} as closed_case_ids,
    coalesce(
        (
            select array_agg(waiting.case_id order by waiting.case_id)
            from (
                select
                    days.case_id,
                    sum(days.open_change) as open_cycles
                from case_days as days
                where
                    days.region_code = workload.region_code
                    and days.block_code = workload.block_code
                    and days.activity_date <= workload.week_start + 6
                group by days.case_id
            ) as waiting
            cross join lateral generate_series(1, waiting.open_cycles)
        ),
        array[]::uuid[]
    ) as open_case_ids,
    coalesce(
        (
            select array_agg(distinct days.case_id)
            from case_days as days
            where
                days.region_code = workload.region_code
                and days.block_code = workload.block_code
                and days.activity_date between workload.week_start and workload.week_start + 6
                and days.work_hours > 0
        ),
        array[]::uuid[]
    ) as worked_case_ids,
    region_modules.module_label,
    workload.is_week_finished,
    workload.as_of,
    '{{ var("metric_version") }}' as metric_version,
    '{{ config_version() }}' as config_version
from workload
inner join region_modules on workload.region_code = region_modules.region_code
