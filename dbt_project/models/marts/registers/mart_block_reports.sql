{{ config(
    indexes=[
        {'columns': ['region_code', 'report_date']},
        {'columns': ['block_code', 'report_date']},
    ]
) }}
with block_days as (
    select * from {{ ref('kept_block_days') }}
),

passed_on as (
    select * from {{ ref('kept_block_transfers') }}
),

regions as (
    select * from {{ ref('dim_regions') }}
),

waiting_cases as (
    select * from {{ ref('kept_waiting_cases') }}
),

blocks as (
    select * from {{ ref('dim_blocks') }}
),

bodies as (
    select * from {{ ref('dim_bodies') }}
),

modules as (
    select
        region_code,
        module_label
    from {{ ref('dim_region_modules') }}
    where module_code = 'reports'
),

-- Whoever held a case before it was passed on, and to whom it went, by the main block of the bodies.
transfers as (
    select
        passed_on.case_id,
        regions.region_code,
        (passed_on.occurred_at at time zone regions.time_zone)::date as transfer_date,
        receivers.block_code as to_block_code,
        givers.block_code as from_block_code
    from passed_on
    inner join bodies as receivers on passed_on.body_code = receivers.body_code
    inner join regions on receivers.region_code = regions.region_code
    left join bodies as givers on passed_on.previous_body_code = givers.body_code
    where
        passed_on.occurred_at <= regions.as_of
        and receivers.block_code is distinct from givers.block_code
),

transferred as (
    select
        transfers.region_code,
        ends.block_code,
        transfers.transfer_date,
        count(*) filter (where ends.is_receiver) as transferred_in,
        count(*) filter (where not ends.is_receiver) as transferred_out,
        array_agg(distinct transfers.case_id) as case_ids
    from transfers
    cross join
        lateral (
            values (transfers.to_block_code, true), (transfers.from_block_code, false)
        ) as ends (block_code, is_receiver)
    where ends.block_code is not null
    group by transfers.region_code, ends.block_code, transfers.transfer_date
),

first_days as (
    select
        region_code,
        min(report_date) as first_date
    from (
        select
            region_code,
            activity_date as report_date
        from block_days
        where intake + reopened > 0
        union all
        select
            region_code,
            transfer_date as report_date
        from transferred
    ) as each_day
    group by region_code
),

days as (
    select
        regions.region_code,
        regions.region_name,
        regions.as_of,
        (regions.as_of at time zone regions.time_zone)::date as as_of_date,
        blocks.block_code,
        blocks.block_name,
        series.report_date::date as report_date
    from first_days
    inner join regions on first_days.region_code = regions.region_code
    cross join blocks
    cross join lateral generate_series(
        first_days.first_date::timestamp,
        (regions.as_of at time zone regions.time_zone)::date::timestamp,
        interval '1 day'
    ) as series (report_date)
),

-- Which cases wait is told for the day of the report; for earlier days fct_deadlines has the dates. A
-- day is looked at when it ends, the day of the report at the moment of the report: a term that ends
-- later today has not been missed.
waiting as (
    select
        waiting_cases.region_code,
        waiting_cases.block_code,
        array_agg(distinct waiting_cases.case_id) as open_case_ids,
        count(*) filter (
            where
            waiting_cases.due_date = (regions.as_of at time zone regions.time_zone)::date
            and waiting_cases.due_at >= regions.as_of
        ) as due_later_today
    from waiting_cases
    inner join regions
        on
            waiting_cases.region_code = regions.region_code
            and waiting_cases.opened_at <= regions.as_of
    where waiting_cases.closed_at is null or waiting_cases.closed_at > regions.as_of
    group by waiting_cases.region_code, waiting_cases.block_code
)

select
    days.report_date,
    days.region_code,
    days.region_name,
    days.block_code,
    days.block_name,
    coalesce(block_days.intake, 0) as intake,
    coalesce(block_days.answered, 0) as answered,
    (sum(coalesce(block_days.open_change, 0)) over so_far)::bigint as open_cases,
    (sum(coalesce(block_days.overdue_change, 0)) over so_far)::bigint
    - coalesce(waiting.due_later_today, 0) as overdue_cases,
    (sum(coalesce(block_days.due_soon_change, 0)) over so_far)::bigint
    + coalesce(waiting.due_later_today, 0) as due_within_3_days,
    coalesce(transferred.transferred_in, 0) as transferred_in,
    coalesce(transferred.transferred_out, 0) as transferred_out,
    coalesce(block_days.reopened, 0) as reopened,
    days.report_date = days.as_of_date as is_report_day,
    case
        when transferred.case_ids is null then block_days.case_ids
        else (
            select array_agg(distinct moved.case_id)
            from unnest(block_days.case_ids || transferred.case_ids) as moved (case_id)
        )
    end as case_ids,
    waiting.open_case_ids,
    -- A module that no row names is asked for by no act.
    coalesce(modules.module_label, 'вне положения') as module_label,
    days.as_of,
    '{{ var("metric_version") }}' as metric_version,
    '{{ config_version() }}' as config_version
from days
left join modules on days.region_code = modules.region_code
left join block_days
    on
        days.region_code = block_days.region_code
        and days.block_code = block_days.block_code
        and days.report_date = block_days.activity_date
left join transferred
    on
        days.region_code = transferred.region_code
        and days.block_code = transferred.block_code
        and days.report_date = transferred.transfer_date
left join waiting
    on
        days.region_code = waiting.region_code
        and days.block_code = waiting.block_code
        and days.report_date = days.as_of_date
window so_far as (
    partition by days.region_code, days.block_code order by days.report_date
)
