{{ config(
    materialized='incremental',
    incremental_strategy='by_change',
    unique_key='case_id',
    pre_hook="{{ collect_redo() }}",
    indexes=[{'columns': ['case_id', 'cycle_no']}],
) }}
-- What is due of a cycle and when, before any extension: one row a cycle, kind of reply and whether
-- the term is the internal one. The rule is the one in force on the day on which the term began; a
-- fast norm is also told apart (`fast_track`), by the day of filing, whenever the handling began.
with cycles as (
    select * from {{ ref('int_cycle_spans') }}
    where {{ is_redone('case_id') }}
),

ledger as (
    select * from {{ ref('int_case_ledger') }}
    where case_id is not null
),

active_rules as (
    select * from {{ ref('deadline_rules') }}
    where coalesce(is_active, true)
),

rules as (
    select
        *,
        reply_kind as term_kind
    from active_rules
    union all
    select
        *,
        'fast_track' as term_kind
    from active_rules
    where is_fast_track and reply_kind = 'final' and basis <> 'internal'
),

calendar as (
    select * from {{ ref('int_calendar') }}
),

body_names as (
    select * from {{ ref('int_body_names') }}
),

schedules as (
    select * from {{ ref('int_body_schedules') }}
),

-- Not materialized: each term looks its last day up in the index.
working_time as not materialized (
    select * from {{ ref('int_working_time') }}
),

-- Only cases that reach the marts have a term to keep.
living as (
    select cycles.*
    from cycles
    inner join ledger on cycles.case_id = ledger.case_id
),

fitting as (
    select
        living.case_id,
        living.cycle_no,
        living.region_code,
        living.time_zone,
        living.calendar_code,
        living.receiving_body_key,
        living.received_at,
        rules.region_code <> '*' as is_own_rule,
        rules.rule_code,
        rules.term_kind as reply_kind,
        rules.basis = 'internal' as is_internal,
        rules.duration,
        rules.unit,
        rules.count_from,
        rules.rollover,
        rules.extension_max_days,
        rules.priority,
        rules.topic_code is not null as is_of_topic,
        rules.valid_from,
        rules.valid_to,
        case rules.start_event
            when 'registered' then coalesce(living.registered_at, living.opened_at)
            when 'interim_reply' then living.interim_reply_at
            else living.opened_at
        end as started_at,
        -- Of a start that is known by its day hours cannot be counted.
        rules.start_event = 'interim_reply'
        or (rules.start_event = 'registered' and living.registered_at is not null)
        or coalesce(living.opened_has_time, true) as started_has_time
    from living
    inner join rules
        on
            living.regime_code = rules.regime_code
            and rules.region_code in (living.region_code, '*')
            and (rules.channel_code is null or living.channel_code = rules.channel_code)
            and (rules.topic_code is null or living.topic_code = rules.topic_code)
            and (rules.case_priority is null or living.case_priority = rules.case_priority)
            and (rules.is_fast_track is null or living.is_fast_track = rules.is_fast_track)
    where
        case rules.term_kind
            when 'final' then living.deadline_mode = 'rule'
            when 'fast_track' then living.deadline_mode = 'rule'
            -- What was forwarded was so within some time; nobody has to forward.
            when 'forwarding' then living.forwarded_at is not null
            -- A case is registered once, however often it is reopened.
            when 'registration' then coalesce(living.is_first_cycle, true)
            else true
        end
),

dated as (
    select
        *,
        (started_at at time zone time_zone)::date as start_date,
        started_at at time zone time_zone as started_local_at,
        (
            coalesce(case when reply_kind = 'fast_track' then received_at end, started_at)
            at time zone time_zone
        )::date as ruled_date
    from fitting
    where started_at is not null
),

ruled as (
    select distinct on (case_id, cycle_no, reply_kind, is_internal) *
    from dated
    where
        ruled_date >= valid_from
        and (valid_to is null or ruled_date < valid_to)
    order by
        case_id asc,
        cycle_no asc,
        reply_kind asc,
        is_internal asc,
        is_own_rule desc,
        priority desc,
        is_of_topic desc,
        rule_code asc
),

-- Days: day n of the term, before it moves off a day without work.
counted as (
    select
        ruled.*,
        case
            when ruled.unit = 'calendar_day'
                then ruled.start_date + ruled.duration - (ruled.count_from = 'day')::int
            else working_days.calendar_date
        end as nominal_date
    from ruled
    left join calendar as starts
        on
            ruled.unit = 'working_day'
            and ruled.calendar_code = starts.calendar_code
            and ruled.start_date = starts.calendar_date
    left join calendar as working_days
        on
            starts.calendar_code = working_days.calendar_code
            and working_days.is_working
            -- The start counts as day 1 only where it is itself a working day.
            and working_days.working_day_number = starts.working_day_number + ruled.duration
            - (ruled.count_from = 'day' and starts.is_working)::int
    where ruled.unit in ('calendar_day', 'working_day')
),

terms_in_days as (
    select
        counted.*,
        case counted.rollover
            when 'next' then coalesce(calendar.next_working_date, counted.nominal_date)
            when 'previous' then coalesce(calendar.previous_working_date, counted.nominal_date)
            else counted.nominal_date
        end as due_date
    from counted
    left join calendar
        on
            counted.calendar_code = calendar.calendar_code
            and counted.nominal_date = calendar.calendar_date
),

-- Hours on the schedule of the body that received the case, else of its region: a transfer does not
-- begin the term again.
scheduled as (
    select distinct on (ruled.case_id, ruled.cycle_no, ruled.reply_kind, ruled.is_internal)
        ruled.*,
        schedules.schedule_code
    from ruled
    left join body_names
        on
            ruled.region_code = body_names.region_code
            and ruled.receiving_body_key = body_names.body_key
    left join schedules
        on
            ruled.region_code = schedules.region_code
            and (schedules.body_code is null or body_names.body_code = schedules.body_code)
            and {{ in_force('schedules', 'ruled.start_date') }}
    where ruled.unit = 'hour' and ruled.started_has_time
    order by
        ruled.case_id asc,
        ruled.cycle_no asc,
        ruled.reply_kind asc,
        ruled.is_internal asc,
        (schedules.body_code is null) asc,
        schedules.valid_from desc
),

aimed as (
    select
        scheduled.*,
        days.seconds_before
        + least(
            greatest(
                extract(epoch from scheduled.started_local_at::time - days.work_start), 0
            ),
            days.morning_seconds
        )
        + least(
            greatest(
                extract(epoch from scheduled.started_local_at::time - days.afternoon_start), 0
            ),
            days.afternoon_seconds
        )
        + scheduled.duration * 3600 as target_seconds
    from scheduled
    inner join working_time as days
        on
            scheduled.schedule_code = days.schedule_code
            and scheduled.calendar_code = days.calendar_code
            and scheduled.start_date = days.calendar_date
),

terms_in_hours as (
    select
        aimed.*,
        (
            -- An hour that ends with the day ends then, and not when the next day begins.
            last_day.calendar_date
            + last_day.work_start
            + (aimed.target_seconds - last_day.seconds_before) * interval '1 second'
            + case
                when aimed.target_seconds - last_day.seconds_before > last_day.morning_seconds
                    then last_day.afternoon_start - last_day.morning_end
                else interval '0'
            end
        ) at time zone aimed.time_zone as due_at
    from aimed
    -- One probe of the index a term.
    left join lateral (
        select working_time.*
        from working_time
        where
            working_time.schedule_code = aimed.schedule_code
            and working_time.calendar_code = aimed.calendar_code
            and working_time.seconds_after >= aimed.target_seconds
        order by working_time.seconds_after asc, working_time.calendar_date asc
        limit 1
    ) as last_day on true
)

select
    case_id,
    cycle_no,
    reply_kind,
    is_internal,
    rule_code,
    unit,
    rollover,
    extension_max_days,
    started_at,
    nominal_date,
    due_date,
    {{ end_of_day('due_date', 'time_zone') }} as due_at
from terms_in_days
union all
select
    case_id,
    cycle_no,
    reply_kind,
    is_internal,
    rule_code,
    unit,
    rollover,
    extension_max_days,
    started_at,
    null::date as nominal_date,
    (due_at at time zone time_zone)::date as due_date,
    due_at
from terms_in_hours
union all
select
    case_id,
    cycle_no,
    reply_kind,
    is_internal,
    rule_code,
    unit,
    rollover,
    extension_max_days,
    started_at,
    null::date as nominal_date,
    ((started_at + duration * interval '1 hour') at time zone time_zone)::date as due_date,
    started_at + duration * interval '1 hour' as due_at
from ruled
where unit = 'clock_hour' and started_has_time
-- A rule applies and its end cannot be told.
union all
select
    case_id,
    cycle_no,
    reply_kind,
    is_internal,
    rule_code,
    unit,
    rollover,
    extension_max_days,
    started_at,
    null::date as nominal_date,
    null::date as due_date,
    null::timestamptz as due_at
from ruled
where unit in ('hour', 'clock_hour') and not started_has_time
