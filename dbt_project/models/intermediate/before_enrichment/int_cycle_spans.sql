{{ config(
    materialized='incremental',
    incremental_strategy='by_change',
    unique_key='case_id',
    pre_hook="{{ collect_redo() }}",
    indexes=[{'columns': ['case_id', 'cycle_no'], 'unique': true}],
) }}
-- One row a case and cycle: each reopening starts a new one. The times of a cycle come from the
-- history where there is one, and from the case record for the rest.
-- No texts: a step that is read several times is written out.
with cases as (
    select
        case_id,
        region_code,
        source_code,
        native_id,
        deadline_mode,
        regime_code,
        is_fast_track,
        time_zone,
        calendar_code,
        received_at,
        received_has_time,
        closed_at,
        closed_has_time,
        is_closed,
        source_exclusion_code,
        due_at,
        source_due_at,
        source_verdict,
        body_key,
        received_body_key,
        shows_replies,
        channel_code,
        case_priority,
        topic_key
    from {{ ref('int_case_records') }}
    where
        not is_by_body
        and kind in ('appeal', 'request', 'post', 'comment')
        and {{ is_redone('case_id') }}
),

-- A rule may be of one topic of the catalogue.
labels as (
    select
        source_code,
        label_key,
        topic_code
    from {{ ref('int_label_blocks') }}
    where label_kind = 'topic' and topic_code is not null
),

events as (
    select * from {{ ref('int_case_events') }}
    where not is_derived and {{ is_redone('case_id') }}
),

told as (
    select
        case_id,
        cycle_no,
        min(occurred_at) filter (where event_code in ('received', 'reopened')) as opened_at,
        min(occurred_at) filter (where event_code = 'registered') as registered_at,
        min(occurred_at) filter (where event_code = 'answered') as answered_at,
        min(occurred_at) filter (where event_code = 'closed') as ended_at,
        min(occurred_at) filter (where event_code = 'interim_reply') as interim_reply_at,
        min(occurred_at) filter (where event_code = 'transferred') as forwarded_at,
        min(occurred_at) filter (where event_code in ('withdrawn', 'rejected')) as excluded_at,
        min(event_code) filter (where event_code in ('withdrawn', 'rejected')) as exclusion_code
    from events
    group by case_id, cycle_no
),

-- Under a post the body answers with a comment of its own.
thread_replies as (
    select
        source_code,
        region_code,
        parent_native_id,
        min(received_at) as replied_at
    from {{ ref('int_case_records') }}
    where
        is_by_body
        and parent_native_id is not null
        {%- if is_by_change() %}
            and parent_native_id = any(array(select cases.native_id from cases))
        {%- endif %}
    group by source_code, region_code, parent_native_id
),

spans as (
    select
        cases.case_id,
        coalesce(told.cycle_no, 1) as cycle_no,
        coalesce(told.cycle_no, 1) = max(coalesce(told.cycle_no, 1)) over (
            partition by cases.case_id
        ) as is_last_cycle,
        coalesce(told.cycle_no, 1) = min(coalesce(told.cycle_no, 1)) over (
            partition by cases.case_id
        ) as is_first_cycle,
        told.opened_at,
        told.registered_at,
        told.answered_at,
        told.ended_at,
        told.interim_reply_at,
        told.forwarded_at,
        told.excluded_at,
        told.exclusion_code,
        told.case_id is not null as has_history
    from cases
    left join told on cases.case_id = told.case_id
)

select
    cases.case_id,
    spans.cycle_no,
    cases.region_code,
    cases.source_code,
    cases.native_id,
    cases.deadline_mode,
    cases.regime_code,
    cases.is_fast_track,
    cases.time_zone,
    cases.calendar_code,
    spans.is_last_cycle,
    -- A case record knows the day of receipt; its history knows the minute.
    case
        when spans.is_first_cycle then coalesce(spans.opened_at, cases.received_at)
        else spans.opened_at
    end as opened_at,
    cases.received_at,
    spans.registered_at,
    coalesce(
        spans.answered_at, spans.ended_at, case when spans.is_last_cycle then cases.closed_at end
    ) as closed_at,
    -- A cycle that another one followed is over, whatever the source says of the case.
    (
        not spans.is_last_cycle
        or cases.is_closed
        or cases.closed_at is not null
        or spans.answered_at is not null
        or spans.ended_at is not null
    ) as is_closed,
    -- A record without a history says of itself that it was withdrawn, and when it was closed.
    coalesce(
        spans.excluded_at,
        case
            when cases.source_exclusion_code is not null
                then coalesce(cases.closed_at, cases.received_at)
        end
    ) as excluded_at,
    coalesce(spans.exclusion_code, cases.source_exclusion_code) as exclusion_code,
    case when spans.is_last_cycle then cases.due_at end as due_at,
    case when spans.is_last_cycle then cases.source_due_at end as source_due_at,
    case when spans.is_last_cycle then cases.source_verdict end as source_verdict,
    cases.body_key,
    -- what the terms of the steps before the answer rest on
    spans.is_first_cycle,
    spans.has_history,
    spans.opened_at is not null
    or (spans.is_first_cycle and cases.received_has_time) as opened_has_time,
    coalesce(spans.answered_at, spans.ended_at) is not null
    or cases.closed_has_time as closed_has_time,
    spans.interim_reply_at,
    thread_replies.replied_at as thread_replied_at,
    spans.forwarded_at,
    cases.shows_replies,
    cases.channel_code,
    cases.case_priority,
    labels.topic_code,
    case when spans.is_first_cycle then cases.received_body_key else cases.body_key end
        as receiving_body_key
from spans
inner join cases on spans.case_id = cases.case_id
left join labels
    on cases.source_code = labels.source_code and cases.topic_key = labels.label_key
left join thread_replies
    on
        cases.source_code = thread_replies.source_code
        and cases.region_code = thread_replies.region_code
        and cases.native_id = thread_replies.parent_native_id
        and spans.is_first_cycle
        and cases.received_at <= thread_replies.replied_at
