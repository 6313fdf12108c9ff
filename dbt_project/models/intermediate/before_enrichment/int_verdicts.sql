{{ config(
    materialized='incremental',
    incremental_strategy='by_change',
    unique_key='case_id',
    pre_hook=["{{ note_passed_moments() }}", "{{ collect_redo() }}"],
    indexes=[
        {'columns': ['case_id', 'cycle_no'], 'unique': true},
        {'columns': ['region_code', 'next_change_at']},
    ],
    meta={'by_moment': true},
) }}
-- Due dates and verdicts of every cycle, as of the region's moment: the answer, by law and by the
-- internal term, and the steps before it. Facts later than `as_of` have not happened yet;
-- `next_change_at` is when the next of them happens.
with cycles as (
    select * from {{ ref('int_case_cycles') }}
    where {{ is_redone('case_id') }}
),

terms as (
    select * from {{ ref('int_deadline_terms') }}
    where {{ is_redone('case_id') }}
),

calendar as (
    select * from {{ ref('int_calendar') }}
),

extensions as (
    select * from {{ ref('int_case_extensions') }}
    where {{ is_redone('case_id') }}
),

events as (
    select * from {{ ref('int_case_events') }}
    where
        event_code in ('received', 'routed', 'transferred', 'assigned')
        and {{ is_redone('case_id') }}
),

-- Of any kind: work is counted when it was done.
every_event as (
    select
        case_id,
        region_code,
        occurred_at
    from {{ ref('int_case_events') }}
    where {{ is_redone('case_id') }}
),

body_names as (
    select * from {{ ref('int_body_names') }}
),

tenures as (
    select * from {{ ref('int_body_tenures') }}
),

clock as (
    select * from {{ ref('int_region_clock') }}
),

ledger as (
    select * from {{ ref('int_case_ledger') }}
    where case_id is not null and {{ is_redone('case_id') }}
),

verdicts as (
    select * from {{ ref('verdict_labels') }}
),

-- Only cases that reach the marts have a term to keep.
living as (
    select cycles.*
    from cycles
    inner join ledger on cycles.case_id = ledger.case_id
),

final_terms as (
    select
        terms.*,
        living.time_zone,
        living.as_of
    from terms
    inner join living on terms.case_id = living.case_id and terms.cycle_no = living.cycle_no
    where terms.reply_kind = 'final' and not terms.is_internal
),

-- An extension counts only when it was approved and the applicant was told before the term then in
-- force ended (DOMAIN 5.1), and both by `as_of`. Taken in order: what counts moves the term for the
-- next one; together they lengthen the original term by no more than the rule allows.
extended as (
    with recursive steps as (
        select
            final_terms.case_id,
            final_terms.cycle_no,
            final_terms.time_zone,
            final_terms.as_of,
            final_terms.due_date as original_due_date,
            final_terms.extension_max_days,
            final_terms.due_at,
            false as is_extended,
            0 as extension_no
        from final_terms
        inner join extensions
            on
                final_terms.case_id = extensions.case_id
                and final_terms.cycle_no = extensions.cycle_no
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
                        steps.due_at,
                        {{ end_of_day(
                            'least(
                                coalesce(
                                    (extensions.new_due_at at time zone steps.time_zone)::date,
                                    steps.original_due_date + steps.extension_max_days
                                ),
                                steps.original_due_date + steps.extension_max_days
                            )',
                            'steps.time_zone'
                        ) }}
                    )
                else steps.due_at
            end as due_at,
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
                        greatest(extensions.approved_at, extensions.notified_at)
                        <= least(steps.due_at, steps.as_of),
                        false
                    ) as is_counted
            ) as judgements
    )

    select distinct on (case_id, cycle_no)
        case_id,
        cycle_no,
        due_at,
        is_extended,
        -- By how many days the term of the answer moved.
        (due_at at time zone time_zone)::date - original_due_date as extended_days
    from steps
    order by case_id asc, cycle_no asc, extension_no desc
),

ruled_terms as (
    select
        final_terms.case_id,
        final_terms.cycle_no,
        final_terms.rule_code,
        final_terms.unit,
        final_terms.due_at as original_due_at,
        coalesce(extended.is_extended, false) as is_extended,
        coalesce(extended.due_at, final_terms.due_at) as due_at
    from final_terms
    left join extended
        on final_terms.case_id = extended.case_id and final_terms.cycle_no = extended.cycle_no
),

-- The internal term warns of the legal one, and moves with it.
internal_days as (
    select
        terms.*,
        terms.nominal_date + coalesce(extended.extended_days, 0) as moved_date
    from terms
    left join extended on terms.case_id = extended.case_id and terms.cycle_no = extended.cycle_no
    where terms.reply_kind = 'final' and terms.is_internal
),

internal_terms as (
    select
        internal_days.case_id,
        internal_days.cycle_no,
        internal_days.rule_code,
        case internal_days.rollover
            when 'next' then coalesce(calendar.next_working_date, internal_days.moved_date)
            when 'previous' then coalesce(calendar.previous_working_date, internal_days.moved_date)
            else internal_days.moved_date
        end as due_date,
        internal_days.due_at as due_at_in_hours
    from internal_days
    inner join living
        on
            internal_days.case_id = living.case_id
            and internal_days.cycle_no = living.cycle_no
    left join calendar
        on
            living.calendar_code = calendar.calendar_code
            and internal_days.moved_date = calendar.calendar_date
),

-- What comes before the answer. A term that cannot be told has a rule and no due date.
step_terms as (
    select
        case_id,
        cycle_no,
        max(rule_code) filter (where reply_kind = 'first_reply') as first_reply_rule_code,
        max(due_at) filter (where reply_kind = 'first_reply') as first_reply_due_at,
        max(rule_code) filter (where reply_kind = 'registration') as registration_rule_code,
        max(due_at) filter (where reply_kind = 'registration') as registration_due_at,
        max(rule_code) filter (where reply_kind = 'forwarding') as forwarding_rule_code,
        max(due_at) filter (where reply_kind = 'forwarding') as forwarding_due_at,
        -- No step: when a fast answer is due by the norm of the day of filing (DOMAIN 5.7).
        max(due_at) filter (where reply_kind = 'fast_track') as fast_track_due_at
    from terms
    where reply_kind <> 'final' and not is_internal
    group by case_id, cycle_no
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
        living.registered_at,
        living.closed_at,
        living.is_closed,
        living.source_due_at,
        living.source_verdict,
        living.body_key,
        living.receiving_body_key,
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
        end as due_at,
        -- An answer known by its day alone cannot be held against an hour of that day.
        coalesce(
            ruled_terms.unit in ('hour', 'clock_hour')
            and not living.closed_has_time
            and (living.closed_at at time zone living.time_zone)::date
            = (ruled_terms.due_at at time zone living.time_zone)::date,
            false
        ) as is_undecidable,
        internal_terms.rule_code as internal_rule_code,
        coalesce(
            {{ end_of_day('internal_terms.due_date', 'living.time_zone') }},
            internal_terms.due_at_in_hours
        ) as internal_due_at,
        step_terms.first_reply_rule_code,
        step_terms.first_reply_due_at,
        -- Whatever came first: an interim reply, an answer under the post, the answer itself.
        least(living.interim_reply_at, living.thread_replied_at, living.closed_at)
            as first_reply_at,
        coalesce(living.shows_replies, false) as shows_replies,
        step_terms.registration_rule_code,
        step_terms.registration_due_at,
        coalesce(living.has_history, false) as has_history,
        -- Nobody has to forward: the term begins to count when the case was.
        case when living.forwarded_at <= living.as_of then step_terms.forwarding_rule_code end
            as forwarding_rule_code,
        case when living.forwarded_at <= living.as_of then step_terms.forwarding_due_at end
            as forwarding_due_at,
        case when living.forwarded_at <= living.as_of then living.forwarded_at end as forwarded_at,
        step_terms.fast_track_due_at,
        living.excluded_at,
        living.received_at,
        living.forwarded_at as ever_forwarded_at
    from living
    left join ruled_terms
        on living.case_id = ruled_terms.case_id and living.cycle_no = ruled_terms.cycle_no
    left join internal_terms
        on living.case_id = internal_terms.case_id and living.cycle_no = internal_terms.cycle_no
    left join step_terms
        on living.case_id = step_terms.case_id and living.cycle_no = step_terms.cycle_no
),

judged as (
    select
        *,
        case
            when
                exclusion_code is not null
                or is_undecidable
                or (is_closed and closed_at is null)
                then 'undefined'
            else {{ clock_status('due_at', 'closed_at', 'as_of') }}
        end as deadline_status,
        case
            when internal_rule_code is null then null
            when exclusion_code is not null or (is_closed and closed_at is null) then 'undefined'
            else {{ clock_status('internal_due_at', 'closed_at', 'as_of') }}
        end as internal_status,
        case
            when first_reply_rule_code is null then null
            when
                exclusion_code is not null
                -- A source that shows no replies does not tell that there was none.
                or (first_reply_at is null and (is_closed or not shows_replies))
                then 'undefined'
            else {{ clock_status('first_reply_due_at', 'first_reply_at', 'as_of') }}
        end as first_reply_status,
        case
            when registration_rule_code is null then null
            when
                exclusion_code is not null
                or (registered_at is null and not has_history)
                then 'undefined'
            else {{ clock_status('registration_due_at', 'registered_at', 'as_of') }}
        end as registration_status,
        case
            when forwarding_rule_code is not null
                then {{ clock_status('forwarding_due_at', 'forwarded_at', 'as_of') }}
        end as forwarding_status
    from termed
),

-- Each term is somebody's: of the body that held the case when the term ended or was kept. Whoever
-- forwarded the case held it until then.
moments as (
    select
        case_id,
        cycle_no,
        'final' as reply_kind,
        region_code,
        time_zone,
        body_key,
        least(due_at, closed_at, as_of) as held_at
    from judged
    union all
    select
        case_id,
        cycle_no,
        'first_reply' as reply_kind,
        region_code,
        time_zone,
        body_key,
        least(first_reply_due_at, first_reply_at, as_of) as held_at
    from judged
    where first_reply_rule_code is not null
    union all
    select
        case_id,
        cycle_no,
        'registration' as reply_kind,
        region_code,
        time_zone,
        receiving_body_key as body_key,
        least(registration_due_at, registered_at, as_of) as held_at
    from judged
    where registration_rule_code is not null
    union all
    select
        case_id,
        cycle_no,
        'forwarding' as reply_kind,
        region_code,
        time_zone,
        receiving_body_key as body_key,
        forwarded_at - interval '1 microsecond' as held_at
    from judged
    where forwarding_rule_code is not null
),

holders as (
    select distinct on (moments.case_id, moments.cycle_no, moments.reply_kind)
        moments.case_id,
        moments.cycle_no,
        moments.reply_kind,
        events.body_code
    from moments
    inner join events
        on
            moments.case_id = events.case_id
            and moments.cycle_no >= events.cycle_no
            and moments.held_at >= events.occurred_at
    where events.body_code is not null
    order by
        moments.case_id asc,
        moments.cycle_no asc,
        moments.reply_kind asc,
        events.occurred_at desc,
        -- Within one minute the later step of the lifecycle holds the case.
        array_position(
            array['received', 'routed', 'transferred', 'assigned'], events.event_code
        ) desc,
        events.event_id
),

-- Where no history tells, the record does: the answer is the body's that it names, the steps before
-- it are of the body that received the case.
named as (
    select
        moments.case_id,
        moments.cycle_no,
        moments.reply_kind,
        (moments.held_at at time zone moments.time_zone)::date as held_on,
        coalesce(holders.body_code, body_names.body_code) as body_code
    from moments
    left join holders
        on
            moments.case_id = holders.case_id
            and moments.cycle_no = holders.cycle_no
            and moments.reply_kind = holders.reply_kind
    left join body_names
        on
            moments.region_code = body_names.region_code
            and moments.body_key = body_names.body_key
),

-- Under whatever name a source knows a body: on that day it was this one in law.
charged as (
    select
        named.case_id,
        named.cycle_no,
        named.reply_kind,
        coalesce(tenures.legal_body_code, named.body_code) as body_code
    from named
    left join tenures
        on
            named.body_code = tenures.body_code
            and named.held_on >= coalesce(tenures.valid_from, '-infinity')
            and named.held_on < coalesce(tenures.valid_to, 'infinity')
),

charged_bodies as (
    select
        case_id,
        cycle_no,
        max(body_code) filter (where reply_kind = 'final') as body_code,
        max(body_code) filter (where reply_kind = 'first_reply') as first_reply_body_code,
        max(body_code) filter (where reply_kind = 'registration') as registration_body_code,
        max(body_code) filter (where reply_kind = 'forwarding') as forwarding_body_code
    from charged
    group by case_id, cycle_no
),

-- What else lies ahead of the report's moment: a step, an approval, a day from which on a body is
-- another one in law.
steps_ahead as (
    select
        every_event.case_id,
        min(every_event.occurred_at) as next_step_at
    from every_event
    inner join clock on every_event.region_code = clock.region_code
    where every_event.occurred_at >= clock.as_of
    group by every_event.case_id
),

approvals_ahead as (
    select
        final_terms.case_id,
        final_terms.cycle_no,
        min(least(
            case
                when extensions.approved_at >= final_terms.as_of then extensions.approved_at
            end,
            case
                when extensions.notified_at >= final_terms.as_of then extensions.notified_at
            end
        )) as next_approval_at
    from final_terms
    inner join extensions
        on
            final_terms.case_id = extensions.case_id
            and final_terms.cycle_no = extensions.cycle_no
    group by final_terms.case_id, final_terms.cycle_no
),

reorganisations as (
    select valid_from as reorganisation_date from tenures
    union
    select valid_to as reorganisation_date from tenures
),

reorganisations_ahead as (
    select
        clock.region_code,
        min(reorganisations.reorganisation_date::timestamp at time zone clock.time_zone)
            as next_reorganisation_at
    from clock
    inner join reorganisations
        on
            reorganisations.reorganisation_date::timestamp at time zone clock.time_zone
            >= clock.as_of
    group by clock.region_code
)

select
    judged.case_id,
    judged.cycle_no,
    judged.region_code,
    judged.source_code,
    judged.native_id,
    judged.time_zone,
    judged.is_last_cycle,
    charged_bodies.body_code,
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
    -- the internal term of the answer
    judged.internal_rule_code,
    judged.internal_due_at,
    judged.internal_status,
    -- the steps before it
    judged.first_reply_rule_code,
    judged.first_reply_due_at,
    case
        when judged.first_reply_at <= judged.as_of then judged.first_reply_at
    end as first_reply_at,
    judged.first_reply_status,
    charged_bodies.first_reply_body_code,
    judged.registration_rule_code,
    judged.registered_at,
    judged.registration_due_at,
    judged.registration_status,
    charged_bodies.registration_body_code,
    judged.forwarding_rule_code,
    judged.forwarded_at,
    judged.forwarding_due_at,
    judged.forwarding_status,
    charged_bodies.forwarding_body_code,
    judged.fast_track_due_at,
    -- the next moment at which any of this is told anew
    least(
        case when judged.received_at >= judged.as_of then judged.received_at end,
        case when judged.opened_at >= judged.as_of then judged.opened_at end,
        case when judged.closed_at >= judged.as_of then judged.closed_at end,
        case when judged.excluded_at >= judged.as_of then judged.excluded_at end,
        case when judged.due_at >= judged.as_of then judged.due_at end,
        case when judged.original_due_at >= judged.as_of then judged.original_due_at end,
        case when judged.internal_due_at >= judged.as_of then judged.internal_due_at end,
        case when judged.fast_track_due_at >= judged.as_of then judged.fast_track_due_at end,
        case when judged.first_reply_due_at >= judged.as_of then judged.first_reply_due_at end,
        case when judged.first_reply_at >= judged.as_of then judged.first_reply_at end,
        case when judged.registration_due_at >= judged.as_of then judged.registration_due_at end,
        case when judged.registered_at >= judged.as_of then judged.registered_at end,
        case when judged.forwarding_due_at >= judged.as_of then judged.forwarding_due_at end,
        case when judged.ever_forwarded_at >= judged.as_of then judged.ever_forwarded_at end,
        steps_ahead.next_step_at,
        approvals_ahead.next_approval_at,
        case
            when
                judged.closed_at is null
                or judged.closed_at >= judged.as_of
                -- The term of a step may outlast the answer.
                or judged.registration_due_at >= judged.as_of
                then reorganisations_ahead.next_reorganisation_at
        end
    ) as next_change_at
from judged
left join steps_ahead on judged.case_id = steps_ahead.case_id
left join approvals_ahead
    on judged.case_id = approvals_ahead.case_id and judged.cycle_no = approvals_ahead.cycle_no
left join reorganisations_ahead on judged.region_code = reorganisations_ahead.region_code
left join charged_bodies
    on judged.case_id = charged_bodies.case_id and judged.cycle_no = charged_bodies.cycle_no
left join verdicts
    on
        judged.source_code = verdicts.source_code
        and judged.source_verdict = verdicts.verdict
