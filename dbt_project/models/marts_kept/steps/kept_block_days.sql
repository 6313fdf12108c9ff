{{ config(
    materialized='incremental',
    incremental_strategy='by_cell',
    unique_key='month_date',
    pre_hook="{{ collect_cells() }}",
    indexes=[{'columns': ['region_code', 'block_code', 'month_date']}],
    meta={'by_moment': true},
) }}
-- What one day brought a block: cases that came and went, by how many those that wait grew, and hours of
-- work by norms. What is told of a day as of its end, and of weeks, are sums over these.
with appeals as (
    select
        case_id,
        region_code,
        block_code,
        regime_code
    from {{ ref('fct_appeals') }}
    where not is_deleted and {{ is_case_of_redone_cell() }}
),

deadlines as (
    select
        case_id,
        cycle_no,
        region_code,
        opened_at,
        due_date,
        closed_at,
        is_closed,
        exclusion_code
    from {{ ref('fct_deadlines') }}
    where {{ is_case_of_redone_cell() }}
),

events as (
    select
        case_id,
        event_code,
        occurred_at
    from {{ ref('fct_appeal_events') }}
    where {{ is_case_of_redone_cell() }}
),

regions as (
    select * from {{ ref('dim_regions') }}
),

event_hours as (
    select * from {{ ref('int_event_hours') }}
),

regimes as (
    select * from {{ ref('int_regimes') }}
),

-- Local days of a cycle; one closed before it came goes on the day it came. Withdrawn and rejected
-- cycles, and those closed on an unknown day, wait for nobody.
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
        deadlines.exclusion_code is not null as is_excluded,
        deadlines.exclusion_code is not null
        or (deadlines.is_closed and deadlines.closed_at is null) as is_never_open
    from deadlines
    inner join appeals on deadlines.case_id = appeals.case_id
    inner join regions on deadlines.region_code = regions.region_code
    where deadlines.opened_at <= regions.as_of
),

movements as (
    select
        spans.region_code,
        spans.block_code,
        spans.case_id,
        steps.activity_date,
        steps.movement_code
    from spans
    cross join
        lateral (
            values
            (spans.opened_date, case when spans.cycle_no = 1 then 'intake' else 'reopened' end),
            (spans.closed_date, case when spans.is_excluded then 'withdrawn' else 'answered' end)
        ) as steps (activity_date, movement_code)
    where
        steps.activity_date is not null
        and {{ is_of_redone_cell(
            'spans.region_code', 'spans.block_code',
            "date_trunc('month', steps.activity_date)::date"
        ) }}
),

moved as (
    select
        region_code,
        block_code,
        activity_date,
        count(*) filter (where movement_code = 'intake') as intake,
        count(*) filter (where movement_code = 'reopened') as reopened,
        count(*) filter (where movement_code = 'answered') as answered,
        count(*) filter (where movement_code in ('answered', 'withdrawn')) as closures,
        array_agg(distinct case_id) filter (where movement_code <> 'withdrawn') as case_ids
    from movements
    group by region_code, block_code, activity_date
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
        greatest(opened_date, due_date) as first_date,
        closed_date as next_date
    from spans
    where not is_never_open and due_date is not null
    union all
    select
        region_code,
        block_code,
        'due_soon' as state_code,
        greatest(opened_date, due_date - 3) as first_date,
        least(closed_date, due_date) as next_date
    from spans
    where not is_never_open and due_date is not null
),

changes as (
    select
        stretches.region_code,
        stretches.block_code,
        ends.activity_date,
        sum(ends.change) filter (where stretches.state_code = 'open') as open_change,
        sum(ends.change) filter (where stretches.state_code = 'overdue') as overdue_change,
        sum(ends.change) filter (where stretches.state_code = 'due_soon') as due_soon_change
    from stretches
    cross join
        lateral (
            values (stretches.first_date, 1), (stretches.next_date, -1)
        ) as ends (activity_date, change)
    where
        ends.activity_date is not null
        -- What was over before it began was never seen.
        and (stretches.next_date is null or stretches.first_date < stretches.next_date)
        and {{ is_of_redone_cell(
            'stretches.region_code', 'stretches.block_code',
            "date_trunc('month', ends.activity_date)::date"
        ) }}
    group by stretches.region_code, stretches.block_code, ends.activity_date
),

worked as (
    select
        appeals.region_code,
        appeals.block_code,
        (events.occurred_at at time zone regions.time_zone)::date as activity_date,
        sum(event_hours.norm_hours * coalesce(regimes.complexity, 1)) as work_hours
    from events
    inner join appeals on events.case_id = appeals.case_id
    inner join regions on appeals.region_code = regions.region_code
    inner join event_hours on events.event_code = event_hours.event_code
    left join regimes on appeals.regime_code = regimes.regime_code
    where
        events.occurred_at <= regions.as_of
        and {{ is_of_redone_cell(
            'appeals.region_code', 'appeals.block_code',
            "date_trunc('month', events.occurred_at at time zone regions.time_zone)::date"
        ) }}
    group by
        appeals.region_code,
        appeals.block_code,
        (events.occurred_at at time zone regions.time_zone)::date
),

days as (
    select
        region_code,
        block_code,
        activity_date,
        date_trunc('month', activity_date)::date as month_date
    from (
        select
            region_code,
            block_code,
            activity_date
        from moved
        union
        select
            region_code,
            block_code,
            activity_date
        from changes
        union
        select
            region_code,
            block_code,
            activity_date
        from worked
    ) as each_day
)

select
    days.region_code,
    days.block_code,
    days.month_date,
    days.activity_date,
    coalesce(moved.intake, 0) as intake,
    coalesce(moved.reopened, 0) as reopened,
    coalesce(moved.answered, 0) as answered,
    coalesce(moved.closures, 0) as closures,
    coalesce(changes.open_change, 0) as open_change,
    coalesce(changes.overdue_change, 0) as overdue_change,
    coalesce(changes.due_soon_change, 0) as due_soon_change,
    coalesce(worked.work_hours, 0) as work_hours,
    moved.case_ids
from days
left join moved
    on
        days.region_code = moved.region_code
        and days.block_code = moved.block_code
        and days.activity_date = moved.activity_date
left join changes
    on
        days.region_code = changes.region_code
        and days.block_code = changes.block_code
        and days.activity_date = changes.activity_date
left join worked
    on
        days.region_code = worked.region_code
        and days.block_code = worked.block_code
        and days.activity_date = worked.activity_date
