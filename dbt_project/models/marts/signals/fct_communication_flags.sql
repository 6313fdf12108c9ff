{{ config(
    materialized='incremental',
    incremental_strategy='by_change',
    unique_key='case_id',
    on_schema_change='fail',
    pre_hook=["{{ collect_redo(also=flagged_by_others()) }}", "{{ put_by(told_by_flags()) }}"],
    post_hook="{{ note_moved_flags() }}",
    grants={'select': ['tsur_analyst', 'tsur_auditor']},
    indexes=[
        {'columns': ['case_id', 'rule_code'], 'unique': true},
        {'columns': ['region_code', 'flagged_date']},
    ],
    meta={'by_moment': true},
) }}
-- What the rules point at (DOMAIN 5.9), one row a case and rule, on the day when it first held, and
-- what a person said of it. A flag is a suspicion: only a confirmed one counts.
{{ comes_after('int_case_months') }}
-- Without texts: a step that is read several times is written out.
with appeals as (
    select
        appeals.case_id,
        appeals.region_code,
        appeals.block_code,
        appeals.body_code,
        appeals.object_key,
        appeals.case_kind,
        appeals.resolution_code,
        appeals.received_at,
        regions.as_of
    from {{ ref('fct_appeals') }} as appeals
    inner join {{ ref('dim_regions') }} as regions on appeals.region_code = regions.region_code
    where
        not appeals.is_deleted
        and appeals.received_date is not null
        and appeals.is_received
        and {{ is_redone('appeals.case_id') }}
),

events as (
    select
        events.case_id,
        events.cycle_no,
        events.event_id,
        events.event_code,
        events.occurred_at,
        events.body_code,
        events.rating
    from {{ ref('fct_appeal_events') }} as events
    inner join appeals on events.case_id = appeals.case_id and events.occurred_at <= appeals.as_of
    where
        events.event_code in (
            'transferred', 'reopened', 'rated', 'interim_reply', 'answered', 'closed'
        )
        and {{ is_redone('events.case_id') }}
),

deadlines as (
    select
        case_id,
        cycle_no,
        due_at,
        closed_at,
        deadline_status,
        first_reply_rule_code,
        first_reply_due_at,
        first_reply_status,
        as_of
    from {{ ref('fct_deadlines') }}
    where exclusion_code is null and is_opened and {{ is_redone('case_id') }}
),

signals as (
    select * from {{ ref('int_case_signals') }}
    where {{ is_redone('case_id') }}
),

skeletons as (
    select * from {{ ref('kept_reply_skeletons') }}
    where is_current and {{ is_redone('case_id') }}
),

templates as (
    select * from {{ ref('kept_reply_templates') }}
),

crowded as (
    select * from {{ ref('int_crowded_comments') }}
),

near_replies as (
    select * from {{ ref('int_near_replies') }}
    where {{ is_redone('case_id') }}
),

near_appeals as (
    select
        case_id,
        body_code,
        object_key
    from {{ ref('fct_appeals') }}
    where
        not is_deleted
        and received_date is not null
        and is_received
        and case_id = any(array(select other_case_id from near_replies))
),

repeats as (
    select * from {{ ref('int_repeat_cases') }}
    where is_current and {{ is_redone('repeats_case_id') }}
),

rules as (
    select * from {{ ref('int_communication_rules') }}
),

corrections as (
    select * from {{ ref('int_case_corrections') }}
),

regions as (
    select * from {{ ref('dim_regions') }}
),

transfers as (
    select
        case_id,
        occurred_at,
        row_number() over (partition by case_id order by occurred_at, event_id) as ordinal
    from events
    where event_code = 'transferred'
),

reopenings as (
    select
        case_id,
        cycle_no,
        min(occurred_at) as occurred_at
    from events
    where event_code = 'reopened'
    group by case_id, cycle_no
),

-- Of several ratings of a cycle the last one stands.
ratings as (
    select
        case_id,
        cycle_no,
        (array_agg(rating order by occurred_at desc, event_id asc))[1] as rating
    from events
    where event_code = 'rated' and rating is not null
    group by case_id, cycle_no
),

returns as (
    select
        reopenings.case_id,
        reopenings.occurred_at,
        row_number() over (
            partition by reopenings.case_id order by reopenings.cycle_no
        ) as ordinal
    from reopenings
    inner join ratings
        on
            reopenings.case_id = ratings.case_id
            and reopenings.cycle_no - 1 = ratings.cycle_no
    where ratings.rating <= 2
),

-- Where no rule sets a term for the first reply: the first word of the body to the applicant, interim
-- or final, against the term of the cycle.
first_words as (
    select
        deadlines.case_id,
        deadlines.cycle_no,
        deadlines.due_at,
        deadlines.as_of,
        least(
            min(events.occurred_at),
            case when deadlines.closed_at <= deadlines.as_of then deadlines.closed_at end
        ) as replied_at
    from deadlines
    left join events
        on
            deadlines.case_id = events.case_id
            and deadlines.cycle_no = events.cycle_no
            and events.event_code in ('interim_reply', 'answered')
    where
        deadlines.first_reply_rule_code is null
        and deadlines.due_at is not null
        and deadlines.deadline_status <> 'undefined'
    group by
        deadlines.case_id, deadlines.cycle_no, deadlines.due_at, deadlines.as_of,
        deadlines.closed_at
),

late_first_replies as (
    select
        case_id,
        first_reply_due_at as due_at,
        'норма первого ответа' as evidence
    from deadlines
    where first_reply_status in ('late', 'overdue_open')
    union all
    select
        case_id,
        due_at,
        'история обращения' as evidence
    from first_words
    where due_at < least(coalesce(replied_at, as_of), as_of)
),

answers as (
    select
        case_id,
        max(closed_at) as answered_at
    from deadlines
    where closed_at <= as_of
    group by case_id
),

-- A case that came back and was then handed on: who answered was not competent.
handed_on as (
    select
        returned.case_id,
        min(transferred.occurred_at) as occurred_at
    from events as returned
    inner join events as transferred
        on
            returned.case_id = transferred.case_id
            and returned.cycle_no = transferred.cycle_no
            and transferred.event_code = 'transferred'
    where returned.event_code = 'reopened'
    group by returned.case_id
),

found as (
    select
        case_id,
        'C1' as rule_code,
        occurred_at as flagged_at,
        'история обращения' as evidence
    from transfers
    where ordinal = 3
    union all
    select
        case_id,
        'C2' as rule_code,
        occurred_at as flagged_at,
        'история обращения' as evidence
    from returns
    where ordinal = 2
    union all
    select
        case_id,
        'C3' as rule_code,
        received_at as flagged_at,
        'обсуждение' as evidence
    from crowded
    union all
    select
        appeals.case_id,
        'C4' as rule_code,
        appeals.received_at as flagged_at,
        'слова и тон текста' as evidence
    from appeals
    inner join signals on appeals.case_id = signals.case_id
    where
        (signals.has_court or signals.has_prosecutor or signals.has_president)
        and signals.tone = 'negative'
    union all
    select
        case_id,
        'E1' as rule_code,
        due_at as flagged_at,
        evidence
    from late_first_replies
    union all
    select
        skeletons.case_id,
        'E2' as rule_code,
        answers.answered_at as flagged_at,
        'остов ответа' as evidence
    from skeletons
    inner join templates on skeletons.template_key = templates.template_key
    inner join answers on skeletons.case_id = answers.case_id
    union all
    select
        appeals.case_id,
        'E2' as rule_code,
        answers.answered_at as flagged_at,
        'сходство ответов' as evidence
    from near_replies
    inner join appeals on near_replies.case_id = appeals.case_id
    inner join near_appeals as others
        on
            near_replies.other_case_id = others.case_id
            and appeals.body_code = others.body_code
            and appeals.object_key <> others.object_key
    inner join answers on appeals.case_id = answers.case_id
    union all
    select
        answers.case_id,
        'E3' as rule_code,
        answers.answered_at as flagged_at,
        'содержание ответа' as evidence
    from answers
    inner join signals on answers.case_id = signals.case_id
    where not signals.has_action and not signals.has_date and not signals.has_legal_reason
    union all
    select
        appeals.case_id,
        'E4' as rule_code,
        answers.answered_at as flagged_at,
        'содержание ответа' as evidence
    from appeals
    inner join answers on appeals.case_id = answers.case_id
    inner join signals on appeals.case_id = signals.case_id
    -- A reply is public where the question was.
    where signals.has_personal_data and appeals.case_kind in ('post', 'comment')
    union all
    select
        answers.case_id,
        'E5' as rule_code,
        answers.answered_at as flagged_at,
        'содержание ответа' as evidence
    from answers
    inner join signals on answers.case_id = signals.case_id
    where signals.is_rude
    union all
    select
        case_id,
        'E6' as rule_code,
        occurred_at as flagged_at,
        'история обращения' as evidence
    from handed_on
    union all
    select
        appeals.case_id,
        'E7' as rule_code,
        {{ end_of_day('signals.promised_date', 'regions.time_zone') }} as flagged_at,
        'содержание ответа и история' as evidence
    from appeals
    inner join regions on appeals.region_code = regions.region_code
    inner join signals on appeals.case_id = signals.case_id
    inner join answers on appeals.case_id = answers.case_id
    where
        {{ end_of_day('signals.promised_date', 'regions.time_zone') }} < appeals.as_of
        and not exists (
            select 1 from events
            where
                events.case_id = appeals.case_id
                and events.event_code in ('interim_reply', 'answered', 'closed')
                and events.occurred_at > answers.answered_at
        )
    union all
    select
        appeals.case_id,
        'E8' as rule_code,
        repeats.repeated_at as flagged_at,
        'решение и повторное обращение' as evidence
    from repeats
    inner join appeals on repeats.repeats_case_id = appeals.case_id
    inner join answers on appeals.case_id = answers.case_id
    where
        appeals.resolution_code = 'solved'
        and repeats.repeated_at > answers.answered_at
        and repeats.repeated_at <= answers.answered_at + interval '14 days'
),

first_found as (
    select distinct on (case_id, rule_code)
        case_id,
        rule_code,
        flagged_at,
        evidence
    from found
    order by case_id, rule_code, flagged_at, evidence
)

select
    first_found.case_id,
    first_found.rule_code,
    rules.issue_code,
    appeals.region_code,
    appeals.block_code,
    appeals.body_code,
    (first_found.flagged_at at time zone regions.time_zone)::date as flagged_date,
    first_found.evidence,
    corrections.case_id is not null as is_reviewed,
    coalesce(lower(corrections.new_value) = 'да', false) as is_confirmed,
    corrections.decided_at as reviewed_at
from first_found
inner join rules on first_found.rule_code = rules.rule_code
inner join appeals on first_found.case_id = appeals.case_id
inner join regions on appeals.region_code = regions.region_code
left join corrections
    on first_found.case_id = corrections.case_id and rules.issue_code = corrections.field_code
