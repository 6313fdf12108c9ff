-- Due date and verdict of every cycle, as of the region's moment. The rule is the one that applied on
-- the day the term began. Facts later than `as_of` have not happened yet.
with cycles as (
    select * from {{ ref('int_case_cycles') }}
),

rules as (
    select * from {{ ref('deadline_rules') }}
),

calendar as (
    select * from {{ ref('int_calendar') }}
),

extensions as (
    select * from {{ ref('int_case_extensions') }}
),

events as (
    select * from {{ ref('int_case_events') }}
    where event_code in ('received', 'routed', 'transferred', 'assigned')
),

body_names as (
    select * from {{ ref('int_body_names') }}
),

ledger as (
    select * from {{ ref('int_case_ledger') }}
    where case_id is not null
),

verdicts as (
    select * from {{ ref('verdict_labels') }}
),

-- Only cases that reach the marts have a term to keep.
living as (
    select
        cycles.*,
        (cycles.opened_at at time zone cycles.time_zone)::date as opened_date,
        (
            coalesce(cycles.registered_at, cycles.opened_at) at time zone cycles.time_zone
        )::date as registration_date
    from cycles
    inner join ledger on cycles.case_id = ledger.case_id
),

ruled as (
    select distinct on (living.case_id, living.cycle_no)
        living.case_id,
        living.cycle_no,
        rules.rule_code,
        rules.duration,
        rules.unit,
        rules.count_from,
        rules.rollover,
        rules.extension_max_days,
        case rules.start_event
            when 'registered' then living.registration_date else living.opened_date
        end as start_date
    from living
    inner join rules
        on
            living.regime_code = rules.regime_code
            and rules.region_code in (living.region_code, '*')
            and (rules.is_fast_track is null or living.is_fast_track = rules.is_fast_track)
    where
        living.deadline_mode = 'rule'
        and case rules.start_event
            when 'registered' then living.registration_date else living.opened_date
        end >= rules.valid_from
        and (
            rules.valid_to is null
            or case rules.start_event
                when 'registered' then living.registration_date else living.opened_date
            end < rules.valid_to
        )
    order by
        living.case_id asc,
        living.cycle_no asc,
        (rules.region_code <> '*') desc,
        rules.priority desc,
        rules.rule_code asc
),

-- Day n of the term, before it moves off a day without work.
counted as (
    select
        ruled.*,
        living.calendar_code,
        living.time_zone,
        living.as_of,
        case
            when ruled.unit = 'calendar_day'
                then ruled.start_date + ruled.duration - (ruled.count_from = 'day')::int
            else working_days.calendar_date
        end as nominal_date
    from ruled
    inner join living
        on ruled.case_id = living.case_id and ruled.cycle_no = living.cycle_no
    left join calendar as starts
        on
            ruled.unit = 'working_day'
            and living.calendar_code = starts.calendar_code
            and ruled.start_date = starts.calendar_date
    left join calendar as working_days
        on
            starts.calendar_code = working_days.calendar_code
            and working_days.is_working
            -- The start counts as day 1 only where it is itself a working day.
            and working_days.working_day_number = starts.working_day_number + ruled.duration
            - (ruled.count_from = 'day' and starts.is_working)::int
),

rolled as (
    select
        counted.*,
        case counted.rollover
            when 'next' then coalesce(calendar.next_working_date, counted.nominal_date)
            when 'previous' then coalesce(calendar.previous_working_date, counted.nominal_date)
            else counted.nominal_date
        end as original_due_date
    from counted
    left join calendar
        on
            counted.calendar_code = calendar.calendar_code
            and counted.nominal_date = calendar.calendar_date
),

-- An extension counts only when it was approved and the applicant was told before the term then in
-- force ended (DOMAIN 5.1), and both by `as_of`. Taken in order: what counts moves the term for the
-- next one; together they lengthen the original term by no more than the rule allows.
extended as (
    with recursive steps as (
        select
            rolled.case_id,
            rolled.cycle_no,
            rolled.time_zone,
            rolled.as_of,
            rolled.original_due_date,
            rolled.extension_max_days,
            rolled.original_due_date as due_date,
            false as is_extended,
            0 as extension_no
        from rolled
        inner join extensions
            on
                rolled.case_id = extensions.case_id
                and rolled.cycle_no = extensions.cycle_no
                and extensions.extension_no = 1
        union all
        select
            steps.case_id,
            steps.cycle_no,
            steps.time_zone,
            steps.as_of,
            steps.original_due_date,
            steps.extension_max_days,
            case
                when judgements.is_counted
                    then greatest(
                        steps.due_date,
                        least(
                            coalesce(
                                (extensions.new_due_at at time zone steps.time_zone)::date,
                                steps.original_due_date + steps.extension_max_days
                            ),
                            steps.original_due_date + steps.extension_max_days
                        )
                    )
                else steps.due_date
            end as due_date,
            steps.is_extended or judgements.is_counted as is_extended,
            extensions.extension_no
        from steps
        inner join extensions
            on
                steps.case_id = extensions.case_id
                and steps.cycle_no = extensions.cycle_no
                and steps.extension_no + 1 = extensions.extension_no
        cross join
            lateral (
                select
                    extensions.approved_at is not null
                    and extensions.notified_at is not null
                    and coalesce(
                        greatest(extensions.approved_at, extensions.notified_at) <= least(
                            {{ end_of_day('steps.due_date', 'steps.time_zone') }}, steps.as_of
                        ),
                        false
                    ) as is_counted
            ) as judgements
    )

    select distinct on (case_id, cycle_no)
        case_id,
        cycle_no,
        due_date,
        is_extended
    from steps
    order by case_id asc, cycle_no asc, extension_no desc
),

ruled_terms as (
    select
        rolled.case_id,
        rolled.cycle_no,
        rolled.rule_code,
        {{ end_of_day('rolled.original_due_date', 'rolled.time_zone') }} as original_due_at,
        coalesce(extended.is_extended, false) as is_extended,
        {{ end_of_day('coalesce(extended.due_date, rolled.original_due_date)', 'rolled.time_zone') }}
            as due_at
    from rolled
    left join extended
        on rolled.case_id = extended.case_id and rolled.cycle_no = extended.cycle_no
),

termed as (
    select
        living.case_id,
        living.cycle_no,
        living.region_code,
        living.source_code,
        living.native_id,
        living.time_zone,
        living.as_of,
        living.is_last_cycle,
        living.opened_at,
        living.closed_at,
        living.is_closed,
        living.source_due_at,
        living.source_verdict,
        living.body_key,
        case when living.excluded_at <= living.as_of then living.exclusion_code end
            as exclusion_code,
        living.deadline_mode as deadline_source,
        ruled_terms.rule_code,
        coalesce(ruled_terms.is_extended, false) as is_extended,
        case living.deadline_mode
            when 'source' then living.due_at
            when 'rule' then ruled_terms.original_due_at
        end as original_due_at,
        case living.deadline_mode
            when 'source' then living.due_at
            when 'rule' then ruled_terms.due_at
        end as due_at
    from living
    left join ruled_terms
        on living.case_id = ruled_terms.case_id and living.cycle_no = ruled_terms.cycle_no
),

judged as (
    select
        *,
        case
            when due_at is null or exclusion_code is not null then 'undefined'
            when is_closed and closed_at is null then 'undefined'
            when closed_at <= as_of and closed_at <= due_at then 'on_time'
            when closed_at <= as_of then 'late'
            when due_at < as_of then 'overdue_open'
            else 'open'
        end as deadline_status
    from termed
),

-- Lateness belongs to the body that held the case when its term ended.
holders as (
    select distinct on (judged.case_id, judged.cycle_no)
        judged.case_id,
        judged.cycle_no,
        events.body_code
    from judged
    inner join events
        on
            judged.case_id = events.case_id
            and judged.cycle_no >= events.cycle_no
            and events.occurred_at <= least(judged.due_at, judged.closed_at, judged.as_of)
    where events.body_code is not null
    order by
        judged.case_id asc,
        judged.cycle_no asc,
        events.occurred_at desc,
        -- Within one minute the later step of the lifecycle holds the case.
        array_position(
            array['received', 'routed', 'transferred', 'assigned'], events.event_code
        ) desc,
        events.event_id
)

select
    judged.case_id,
    judged.cycle_no,
    judged.region_code,
    judged.source_code,
    judged.native_id,
    judged.time_zone,
    judged.is_last_cycle,
    coalesce(holders.body_code, body_names.body_code) as body_code,
    judged.opened_at,
    judged.original_due_at,
    judged.due_at,
    judged.source_due_at,
    judged.closed_at,
    judged.is_closed,
    judged.deadline_status,
    judged.source_verdict,
    case
        when judged.deadline_status in ('on_time', 'late', 'overdue_open', 'open')
            then verdicts.is_overdue <> (judged.deadline_status in ('late', 'overdue_open'))
    end as is_verdict_mismatch,
    judged.deadline_source,
    judged.rule_code,
    judged.is_extended,
    judged.exclusion_code,
    judged.opened_at <= judged.as_of as is_opened,
    judged.as_of
from judged
left join holders
    on judged.case_id = holders.case_id and judged.cycle_no = holders.cycle_no
left join body_names
    on
        judged.region_code = body_names.region_code
        and judged.body_key = body_names.body_key
left join verdicts
    on
        judged.source_code = verdicts.source_code
        and judged.source_verdict = verdicts.verdict
