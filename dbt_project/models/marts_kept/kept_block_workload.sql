{{ config(
    incremental_strategy='in_place',
    indexes=[
        {'columns': ['region_code', 'week_start']},
        {'columns': ['block_code']},
    ]
) }}
with daily as (
    select * from {{ ref('kept_block_days') }}
),

regions as (
    select * from {{ ref('dim_regions') }}
),

blocks as (
    select * from {{ ref('dim_blocks') }}
),

capacity as (
    select * from {{ ref('int_block_capacity') }}
),

first_weeks as (
    select
        region_code,
        date_trunc('week', min(activity_date)::timestamp)::date as first_week
    from daily
    where intake + reopened > 0
    group by region_code
),

weeks as (
    select
        regions.region_code,
        regions.region_name,
        regions.time_zone,
        regions.as_of,
        blocks.block_code,
        blocks.block_name,
        series.week_start::date as week_start,
        -- An unfinished week is counted up to the report's day.
        least(series.week_start::date + 6, (regions.as_of at time zone regions.time_zone)::date)
            as last_date
    from first_weeks
    inner join regions on first_weeks.region_code = regions.region_code
    cross join blocks
    cross join lateral generate_series(
        first_weeks.first_week::timestamp,
        date_trunc('week', regions.as_of at time zone regions.time_zone),
        interval '1 week'
    ) as series (week_start)
),

weekly as (
    select
        region_code,
        block_code,
        date_trunc('week', activity_date::timestamp)::date as week_start,
        sum(intake) as intake,
        sum(reopened) as reopened,
        sum(closures) as closures,
        sum(open_change) as open_change,
        sum(work_hours) as work_hours
    from daily
    group by region_code, block_code, date_trunc('week', activity_date::timestamp)::date
),

-- Four weeks have 28 days; where the last of them is not over, the 28 begin in the week before.
closed_earlier as (
    select
        weeks.region_code,
        weeks.block_code,
        weeks.week_start,
        sum(daily.closures) as closures
    from weeks
    inner join daily
        on
            weeks.region_code = daily.region_code
            and weeks.block_code = daily.block_code
            and weeks.week_start - 28 = date_trunc('week', daily.activity_date::timestamp)::date
            and weeks.last_date - 28 < daily.activity_date
    where weeks.last_date < weeks.week_start + 6
    group by weeks.region_code, weeks.block_code, weeks.week_start
),

measured as (
    select
        weeks.*,
        coalesce(weekly.intake, 0)::bigint as intake,
        coalesce(weekly.reopened, 0)::bigint as reopened,
        coalesce(weekly.closures, 0)::bigint as closures,
        (sum(coalesce(weekly.open_change, 0)) over (
            partition by weeks.region_code, weeks.block_code order by weeks.week_start
        ))::bigint as open_cases,
        (
            sum(coalesce(weekly.closures, 0))
                over (
                    partition by weeks.region_code, weeks.block_code
                    order by weeks.week_start
                    rows between 3 preceding and current row
                )
            + coalesce(closed_earlier.closures, 0)
        ) / 28.0 as mean_daily_closures,
        coalesce(weekly.work_hours, 0) as work_hours,
        capacity.capacity_hours,
        capacity.rostered_fte,
        case
            when capacity.capacity_hours > 0
                then coalesce(weekly.work_hours, 0) / capacity.capacity_hours
        end as occupancy,
        (weeks.week_start + 7)::timestamp at time zone weeks.time_zone <= weeks.as_of
            as is_week_finished
    from weeks
    left join weekly
        on
            weeks.region_code = weekly.region_code
            and weeks.block_code = weekly.block_code
            and weeks.week_start = weekly.week_start
    left join closed_earlier
        on
            weeks.region_code = closed_earlier.region_code
            and weeks.block_code = closed_earlier.block_code
            and weeks.week_start = closed_earlier.week_start
    left join capacity
        on
            weeks.region_code = capacity.region_code
            and weeks.block_code = capacity.block_code
            and weeks.week_start = capacity.week_start
),

judged as (
    select
        *,
        -- Weeks without a gap: this one and the three before it.
        count(*) filter (where occupancy > 1 and is_week_finished) over (
            partition by region_code, block_code
            order by week_start
            rows between 3 preceding and current row
        ) = 4 as is_overloaded_four_weeks
    from measured
)

select
    week_start,
    region_code,
    region_name,
    block_code,
    block_name,
    intake,
    reopened,
    closures,
    open_cases,
    round(mean_daily_closures, 4) as mean_daily_closures_28d,
    round(open_cases / nullif(mean_daily_closures, 0), 1) as backlog_days,
    -- The sum of norms as it is: a post that was only received weighs 0.0045 hours, and is listed.
    work_hours,
    round(capacity_hours, 2) as capacity_hours,
    round(rostered_fte, 2) as rostered_fte,
    round(occupancy, 4) as occupancy_share,
    case
        when occupancy < 0.7 then 'менее 70 %'
        when occupancy <= 1 then '70–100 %'
        when occupancy <= 1.2 then '100–120 %'
        when occupancy > 1.2 then 'более 120 %'
    end as occupancy_band,
    round(intake / nullif(rostered_fte, 0), 1) as intake_per_fte,
    round(open_cases / nullif(rostered_fte, 0), 1) as open_per_fte,
    round(work_hours / nullif(rostered_fte, 0), 2) as work_hours_per_fte,
    intake + reopened - closures as net_flow,
    is_overloaded_four_weeks as is_staffing_proposed,
    occupancy is not null as is_computed,
    case when occupancy is null then 'нет графика дежурств' end as not_computed_reason,
    is_week_finished,
    as_of
from judged
