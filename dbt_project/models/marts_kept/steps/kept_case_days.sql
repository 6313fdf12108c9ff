{{ config(
    incremental_strategy='by_change',
    unique_key='case_id',
    pre_hook="{{ collect_redo() }}",
    indexes=[
        {'columns': ['case_id']},
        {'columns': ['found_at']},
        {'columns': ['is_current']},
        {'columns': ['region_code', 'block_code', 'activity_date']},
    ],
    meta={'keeps_before': true, 'keeps_equal': true},
    grants={'select': ['tsur_analyst', 'tsur_official', 'tsur_auditor']},
) }}
-- What a case adds to the days of its block. One row a case and local day on which it came, went, began
-- to press, or was worked at. What it added before it changed stays beside it (`is_current`), so that
-- these days are summed anew too. mart_block_workload looks its cases up here, with the rights of
-- whoever asks.
with appeals as (
    select
        case_id,
        region_code,
        block_code,
        regime_code,
        received_date
    from {{ ref('fct_appeals') }}
    where not is_deleted and {{ is_redone('case_id') }}
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
    where {{ is_redone('case_id') }}
),

events as (
    select
        case_id,
        event_code,
        occurred_at
    from {{ ref('fct_appeal_events') }}
    where {{ is_redone('case_id') }}
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
    inner join regions on deadlines.region_code = regions.region_code
    where deadlines.opened_at <= regions.as_of
),

-- Each state is a stretch of days: +1 on its first day, -1 on the day after its last.
stretches as (
    select
        spans.case_id,
        states.state_code,
        states.first_date,
        states.next_date
    from spans
    cross join
        lateral (
            values
            ('open', spans.opened_date, spans.closed_date),
            ('overdue', greatest(spans.opened_date, spans.due_date), spans.closed_date),
            (
                'due_soon',
                greatest(spans.opened_date, spans.due_date - 3),
                least(spans.closed_date, spans.due_date)
            )
        ) as states (state_code, first_date, next_date)
    where
        not spans.is_never_open
        and (states.state_code = 'open' or spans.due_date is not null)
        -- What was over before it began was never seen.
        and (states.next_date is null or states.first_date < states.next_date)
),

-- Hours are those of the day of the event; what a case weighs is settled when it comes. Materialized:
-- written into the conditions below, the day would be computed for each of them.
worked as materialized (
    select
        events.case_id,
        events.event_code,
        appeals.region_code,
        appeals.regime_code,
        (events.occurred_at at time zone regions.time_zone)::date as activity_date,
        coalesce(
            appeals.received_date, (events.occurred_at at time zone regions.time_zone)::date
        ) as received_date
    from events
    inner join appeals on events.case_id = appeals.case_id
    inner join regions on appeals.region_code = regions.region_code
    where events.occurred_at <= regions.as_of
),

steps as (
    select
        spans.case_id,
        moves.activity_date,
        moves.step_code,
        1 as step_count,
        0 as work_hours
    from spans
    cross join
        lateral (
            values
            (spans.opened_date, case when spans.cycle_no = 1 then 'intake' else 'reopened' end),
            (spans.closed_date, case when spans.is_excluded then 'withdrawn' else 'answered' end)
        ) as moves (activity_date, step_code)
    where moves.activity_date is not null
    union all
    select
        stretches.case_id,
        ends.activity_date,
        stretches.state_code as step_code,
        ends.step_count,
        0 as work_hours
    from stretches
    cross join
        lateral (
            values (stretches.first_date, 1), (stretches.next_date, -1)
        ) as ends (activity_date, step_count)
    where ends.activity_date is not null
    union all
    select
        worked.case_id,
        worked.activity_date,
        'worked' as step_code,
        1 as step_count,
        event_hours.norm_hours * coalesce(regimes.complexity, 1) as work_hours
    from worked
    inner join event_hours
        on
            worked.region_code = event_hours.region_code
            and worked.event_code = event_hours.event_code
            and {{ in_force('event_hours', 'worked.activity_date') }}
    left join regimes
        on
            worked.regime_code = regimes.regime_code
            and {{ in_force('regimes', 'worked.received_date') }}
),

days as (
    select
        case_id,
        activity_date,
        count(*) filter (where step_code = 'intake') as intake,
        count(*) filter (where step_code = 'reopened') as reopened,
        count(*) filter (where step_code = 'answered') as answered,
        count(*) filter (where step_code in ('answered', 'withdrawn')) as closures,
        coalesce(sum(step_count) filter (where step_code = 'open'), 0) as open_change,
        coalesce(sum(step_count) filter (where step_code = 'overdue'), 0) as overdue_change,
        coalesce(sum(step_count) filter (where step_code = 'due_soon'), 0) as due_soon_change,
        sum(work_hours) as work_hours
    from steps
    group by case_id, activity_date
)

select
    days.case_id,
    appeals.region_code,
    appeals.block_code,
    days.activity_date,
    days.intake::smallint as intake,
    days.reopened::smallint as reopened,
    days.answered::smallint as answered,
    days.closures::smallint as closures,
    days.open_change::smallint as open_change,
    days.overdue_change::smallint as overdue_change,
    days.due_soon_change::smallint as due_soon_change,
    days.work_hours,
    {{ moment_of_run() }} as found_at,
    true as is_current
from days
inner join appeals on days.case_id = appeals.case_id
