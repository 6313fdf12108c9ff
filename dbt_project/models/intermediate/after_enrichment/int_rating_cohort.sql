{{ config(
    materialized='incremental',
    incremental_strategy='by_change',
    unique_key='case_id',
    pre_hook="{{ collect_redo(also=still_overdue()) }}",
    indexes=[
        {'columns': ['case_id']},
        {'columns': ['deadline_status']},
        {'columns': ['found_at']},
        {'columns': ['is_current']},
        {'columns': ['cohort_key']},
        {'columns': ['answer_key']},
    ],
    meta={'by_moment': true, 'keeps_before': true, 'keeps_equal': true},
) }}
-- The cycles that a rating of a month or a quarter rests on: their term ended in the period and not
-- later than the report. One row a cycle and kind of period. The row of the quarter also says in which
-- quarter the answer came (`answer_key`, in the form of `cohort_key`), because best practices ask that;
-- a cycle that was answered ahead of its term has a row for this alone, of no period, until the term
-- has ended. What a cycle was before it changed stays beside it (`is_current`): whatever sums a body's
-- cycles of a period is made anew there too.
with deadlines as (
    select * from {{ ref('int_deadlines') }}
    where
        exclusion_code is null
        and coalesce(is_opened, true)
        and deadline_status in ('on_time', 'late', 'overdue_open')
        and body_code is not null
        and {{ is_redone('case_id') }}
),

cases as (
    select
        case_id,
        kind in ('post', 'comment') as is_post,
        rating,
        questions_raised,
        questions_answered
    from {{ ref('int_case_records') }}
    where not is_deleted and not is_deleted_at_source and {{ is_redone('case_id') }}
),

attributes as (
    select
        case_id,
        block_code,
        topic_code
    from {{ ref('int_case_attributes') }}
    where {{ is_redone('case_id') }}
),

answers as (
    select
        case_id,
        cycle_no,
        is_returned
    from {{ ref('int_answered_cycles') }}
    where {{ is_redone('case_id') }}
),

rated_regions as (
    select distinct region_code from {{ ref('int_rating_rules') }}
),

settings as (
    select * from {{ ref('int_rating_settings') }}
),

cohort as (
    select
        deadlines.case_id,
        deadlines.cycle_no,
        deadlines.region_code,
        deadlines.body_code,
        attributes.block_code,
        attributes.topic_code,
        deadlines.deadline_status,
        answers.is_returned,
        coalesce(cases.is_post, false) as is_post,
        deadlines.due_at <= deadlines.as_of as is_due,
        (deadlines.due_at at time zone deadlines.time_zone)::timestamp as due_local_at,
        case
            when deadlines.deadline_status <> 'overdue_open'
                then
                    date_trunc(
                        'quarter', deadlines.closed_at at time zone deadlines.time_zone
                    )::date
        end as answered_quarter,
        -- Elapsed as a share of what was allowed; an open cycle past its term counts to the report's
        -- moment. A negative duration measures nothing.
        case
            when
                coalesce(deadlines.closed_at, deadlines.as_of) >= deadlines.opened_at
                and deadlines.due_at > deadlines.opened_at
                then round(
                    extract(
                        epoch from
                        case
                            when deadlines.deadline_status = 'overdue_open' then deadlines.as_of
                            else deadlines.closed_at
                        end - deadlines.opened_at
                    ) / extract(epoch from deadlines.due_at - deadlines.opened_at),
                    6
                )
        end as elapsed_ratio,
        -- Questions belong to the case: they count once, with its last cycle. What waits past its
        -- term has left them unanswered: ignoring hard cases does not help here either.
        case when deadlines.is_last_cycle then cases.questions_raised end as questions_raised,
        case
            when not deadlines.is_last_cycle or cases.questions_raised is null then null
            when deadlines.deadline_status = 'overdue_open' then 0
            else least(coalesce(cases.questions_answered, 0), cases.questions_raised)
        end as questions_answered,
        -- So does the applicant's rating: the last one is the one that stands.
        case
            when deadlines.is_last_cycle and deadlines.deadline_status <> 'overdue_open'
                then cases.rating
        end as rating
    from deadlines
    inner join rated_regions on deadlines.region_code = rated_regions.region_code
    inner join cases on deadlines.case_id = cases.case_id
    inner join attributes on deadlines.case_id = attributes.case_id
    left join answers
        on deadlines.case_id = answers.case_id and deadlines.cycle_no = answers.cycle_no
),

dated as (
    select
        periods.period_kind,
        date_trunc(periods.period_kind, cohort.due_local_at)::date as period_start,
        -- Once a cycle, not with its month too.
        case
            when coalesce(periods.period_kind, 'quarter') = 'quarter' then cohort.answered_quarter
        end as answered_quarter_date,
        cohort.*
    from cohort
    left join (values ('month'), ('quarter')) as periods (period_kind) on cohort.is_due
)

select
    dated.period_kind,
    dated.period_start,
    dated.region_code,
    dated.body_code,
    dated.block_code,
    dated.topic_code,
    dated.case_id,
    dated.cycle_no,
    dated.deadline_status,
    dated.is_returned,
    dated.elapsed_ratio,
    dated.questions_raised,
    dated.questions_answered,
    dated.rating,
    case when dated.is_due then {{ cohort_key('dated') }} end as cohort_key,
    dated.answered_quarter_date,
    case
        when dated.answered_quarter_date is not null
            then concat_ws(' ', 'quarter', dated.answered_quarter_date, dated.body_code)
    end as answer_key,
    {{ moment_of_run() }} as found_at,
    true as is_current
from dated
left join settings
    on
        dated.region_code = settings.region_code
        and {{ in_force(
            'settings', "coalesce(dated.period_start, date_trunc('quarter', dated.due_local_at)::date)"
        ) }}
-- Published posts count where the act speaks of them (C 11(3) leaves it to the operator).
where not dated.is_post or coalesce(settings.counts_posts, true)
