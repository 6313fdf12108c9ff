-- When whom works: the schedule of a region, by date, and the schedules of bodies that state their own
-- in the register of bodies. A row without a body is the region's.
with defaults as (
    select * from {{ ref('work_schedules') }}
),

regions as (
    select region_code from {{ ref('regions') }}
    where valid_to is null
),

registered as (
    select * from {{ ref('stg_bodies') }}
    where
        not is_deleted
        and working_days_code is not null
        and work_start is not null
        and work_end is not null
),

regional as (
    -- A region's own row replaces the row of all regions.
    select
        regions.region_code,
        null::text as body_code,
        defaults.working_days,
        defaults.work_start,
        defaults.work_end,
        defaults.short_day_end,
        defaults.break_start,
        defaults.break_end,
        defaults.valid_from,
        defaults.valid_to
    from regions
    inner join defaults
        on
            regions.region_code = defaults.region_code
            or (
                defaults.region_code = '*'
                and not exists (
                    select 1 from defaults as own
                    where own.region_code = regions.region_code
                )
            )
),

stated as (
    select
        region_code,
        native_id as body_code,
        working_days_code as working_days,
        work_start::time as work_start,
        work_end::time as work_end,
        short_day_end::time as short_day_end,
        break_start::time as break_start,
        break_end::time as break_end,
        coalesce(valid_from, '2010-01-01') as valid_from,
        valid_to
    from registered
),

every_schedule as (
    select * from regional
    union all
    select * from stated
)

select
    region_code,
    body_code,
    working_days,
    work_start,
    work_end,
    short_day_end,
    break_start,
    break_end,
    valid_from,
    valid_to,
    -- Equal hours are one schedule, whoever keeps them.
    concat_ws(
        ' ',
        working_days,
        left(work_start::text, 5) || '-' || left(work_end::text, 5),
        'fri ' || left(short_day_end::text, 5),
        'break ' || left(break_start::text, 5) || '-' || left(break_end::text, 5)
    ) as schedule_code
from every_schedule
