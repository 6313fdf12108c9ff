{{ config(
    indexes=[
        {'columns': ['region_code', 'report_date']},
        {'columns': ['block_code', 'report_date']},
    ]
) }}
with appeals as (
    select
        case_id,
        block_code
    from {{ ref('fct_appeals') }}
    where not is_deleted
),

deadlines as (
    select
        case_id,
        cycle_no,
        region_code,
        opened_at,
        due_at,
        due_date,
        closed_at,
        is_closed,
        exclusion_code
    from {{ ref('fct_deadlines') }}
),

events as (
    select
        event_id,
        case_id,
        event_code,
        occurred_at,
        body_code
    from {{ ref('fct_appeal_events') }}
    where event_code in ('received', 'routed', 'transferred', 'assigned')
),

-- Few cases are ever passed on: only their holders are put in order.
passed_on as (
    select distinct case_id from events
    where event_code = 'transferred'
),

regions as (
    select * from {{ ref('dim_regions') }}
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

-- Local days of a cycle. Withdrawn and rejected cycles, and those closed on an unknown day, wait for
-- nobody.
spans as (
    select
        deadlines.case_id,
        deadlines.cycle_no,
        deadlines.region_code,
        appeals.block_code,
        (deadlines.opened_at at time zone regions.time_zone)::date as opened_date,
        case
            when deadlines.closed_at <= regions.as_of
                then
                    (
                        greatest(deadlines.closed_at, deadlines.opened_at)
                        at time zone regions.time_zone
                    )::date
        end as closed_date,
        deadlines.due_date,
        -- A day is looked at when it ends, the day of the report at the moment of the report: a term
        -- that ends later today has not been missed.
        case
            when
                deadlines.due_date = (regions.as_of at time zone regions.time_zone)::date
                and deadlines.due_at >= regions.as_of
                then deadlines.due_date + 1
            else deadlines.due_date
        end as first_overdue_date,
        deadlines.exclusion_code is not null as is_excluded,
        deadlines.exclusion_code is not null
        or (deadlines.is_closed and deadlines.closed_at is null) as is_never_open
    from deadlines
    inner join appeals on deadlines.case_id = appeals.case_id
    inner join regions on deadlines.region_code = regions.region_code
    where deadlines.opened_at <= regions.as_of
),

-- Each state is a stretch of days: +1 on its first day, -1 on the day after its last.
stretches as (
    select
        region_code,
        block_code,
        'open' as state_code,
        opened_date as first_date,
        closed_date as next_date
    from spans
    where not is_never_open
    union all
    select
        region_code,
        block_code,
        'overdue' as state_code,
        greatest(opened_date, first_overdue_date) as first_date,
        closed_date as next_date
    from spans
    where not is_never_open and due_date is not null
    union all
    select
        region_code,
        block_code,
        'due_soon' as state_code,
        greatest(opened_date, due_date - 3) as first_date,
        least(closed_date, first_overdue_date) as next_date
    from spans
    where not is_never_open and due_date is not null
),

-- Whoever held a case before it was passed on, and to whom it went, by the main block of the bodies.
holders as (
    select
        events.case_id,
        events.event_code,
        events.occurred_at,
        events.body_code,
        lag(events.body_code) over (
            partition by events.case_id
            order by
                events.occurred_at,
                array_position(
                    array['received', 'routed', 'transferred', 'assigned'], events.event_code
                ),
                events.event_id
        ) as previous_body_code
    from events
    inner join passed_on on events.case_id = passed_on.case_id
    where events.body_code is not null
),

transfers as (
    select
        holders.case_id,
        regions.region_code,
        (holders.occurred_at at time zone regions.time_zone)::date as transfer_date,
        receivers.block_code as to_block_code,
        givers.block_code as from_block_code
    from holders
    inner join appeals on holders.case_id = appeals.case_id
    inner join bodies as receivers on holders.body_code = receivers.body_code
    inner join regions on receivers.region_code = regions.region_code
    left join bodies as givers on holders.previous_body_code = givers.body_code
    where
        holders.event_code = 'transferred'
        and holders.occurred_at <= regions.as_of
        and receivers.block_code is distinct from givers.block_code
),

movements as (
    select
        region_code,
        block_code,
        opened_date as report_date,
        case when cycle_no = 1 then 'intake' else 'reopened' end as movement_code,
        case_id
    from spans
    union all
    select
        region_code,
        block_code,
        closed_date as report_date,
        'answered' as movement_code,
        case_id
    from spans
    where closed_date is not null and not is_excluded
    union all
    select
        region_code,
        to_block_code as block_code,
        transfer_date as report_date,
        'transferred_in' as movement_code,
        case_id
    from transfers
    where to_block_code is not null
    union all
    select
        region_code,
        from_block_code as block_code,
        transfer_date as report_date,
        'transferred_out' as movement_code,
        case_id
    from transfers
    where from_block_code is not null
),

moved as (
    select
        region_code,
        block_code,
        report_date,
        count(*) filter (where movement_code = 'intake') as intake,
        count(*) filter (where movement_code = 'reopened') as reopened,
        count(*) filter (where movement_code = 'answered') as answered,
        count(*) filter (where movement_code = 'transferred_in') as transferred_in,
        count(*) filter (where movement_code = 'transferred_out') as transferred_out,
        array_agg(distinct case_id) as case_ids
    from movements
    group by region_code, block_code, report_date
),

changes as (
    select
        region_code,
        block_code,
        change_date as report_date,
        sum(change) filter (where state_code = 'open') as open_change,
        sum(change) filter (where state_code = 'overdue') as overdue_change,
        sum(change) filter (where state_code = 'due_soon') as due_soon_change
    from (
        select
            stretches.region_code,
            stretches.block_code,
            stretches.state_code,
            ends.change_date,
            ends.change
        from stretches
        cross join
            lateral (
                values (stretches.first_date, 1), (stretches.next_date, -1)
            ) as ends (change_date, change)
        where
            ends.change_date is not null
            -- What was over before it began, or begins after the last day, was never seen.
            and (stretches.next_date is null or stretches.first_date < stretches.next_date)
    ) as steps
    group by region_code, block_code, change_date
),

first_days as (
    select
        region_code,
        min(report_date) as first_date
    from moved
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

-- Which cases wait is told for the day of the report; for earlier days fct_deadlines has the dates.
waiting as (
    select
        region_code,
        block_code,
        array_agg(distinct case_id) as open_case_ids
    from spans
    where not is_never_open and closed_date is null
    group by region_code, block_code
)

select
    days.report_date,
    days.region_code,
    days.region_name,
    days.block_code,
    days.block_name,
    coalesce(moved.intake, 0) as intake,
    coalesce(moved.answered, 0) as answered,
    (sum(coalesce(changes.open_change, 0)) over so_far)::bigint as open_cases,
    (sum(coalesce(changes.overdue_change, 0)) over so_far)::bigint as overdue_cases,
    (sum(coalesce(changes.due_soon_change, 0)) over so_far)::bigint as due_within_3_days,
    coalesce(moved.transferred_in, 0) as transferred_in,
    coalesce(moved.transferred_out, 0) as transferred_out,
    coalesce(moved.reopened, 0) as reopened,
    days.report_date = days.as_of_date as is_report_day,
    moved.case_ids,
    case when days.report_date = days.as_of_date then waiting.open_case_ids end as open_case_ids,
    -- A module that no row names is asked for by no act.
    coalesce(modules.module_label, 'вне положения') as module_label,
    days.as_of,
    '{{ var("metric_version") }}' as metric_version,
    '{{ config_version() }}' as config_version
from days
left join modules on days.region_code = modules.region_code
left join moved
    on
        days.region_code = moved.region_code
        and days.block_code = moved.block_code
        and days.report_date = moved.report_date
left join changes
    on
        days.region_code = changes.region_code
        and days.block_code = changes.block_code
        and days.report_date = changes.report_date
left join waiting
    on days.region_code = waiting.region_code and days.block_code = waiting.block_code
window so_far as (
    partition by days.region_code, days.block_code order by days.report_date
)
