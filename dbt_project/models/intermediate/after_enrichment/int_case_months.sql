{{ config(
    materialized='incremental',
    incremental_strategy='by_change',
    unique_key='case_id',
    pre_hook=["{{ note_moved_recurrences() }}", "{{ collect_redo() }}"],
    indexes=[
        {'columns': ['case_id']},
        {'columns': ['found_at']},
        {'columns': ['is_current']},
        {'columns': [
            'region_code', 'block_code', 'month_date', 'is_current', 'has_last_answer',
            'has_answer', 'has_term', 'place', 'case_id',
        ]},
        {'columns': ['region_code', 'block_code', 'received_date']},
    ],
    meta={'by_moment': true, 'keeps_before': true},
) }}
-- In which months a case stands: it came, a term ended, something was done. One row a case and month;
-- where nothing of it has a date, -infinity. Whether a term is told of in the month, or an answer, says
-- which sums count it there. What a case was before it changed stays beside it (`is_current`), so that
-- sums over it are made anew there too.
with cases as (
    select
        case_id,
        region_code,
        received_date,
        received_at,
        applicant_key
    from {{ ref('int_case_records') }}
    where {{ is_redone('case_id') }}
),

ledger as (
    select * from {{ ref('int_case_ledger') }}
    where ledger_state = 'in_marts' and {{ is_redone('case_id') }}
),

attributes as (
    select
        case_id,
        block_code,
        municipality_code
    from {{ ref('int_case_attributes') }}
    where {{ is_redone('case_id') }}
),

regions as (
    select * from {{ ref('int_region_clock') }}
),

appeals as (
    select
        cases.*,
        date_trunc('month', cases.received_date::timestamp)::date as received_month,
        attributes.block_code,
        attributes.municipality_code,
        case
            when ledger.case_id is not null and cases.received_at <= regions.as_of
                then coalesce(attributes.municipality_code, '-')
        end as counted_in
    from cases
    inner join attributes on cases.case_id = attributes.case_id
    inner join regions on cases.region_code = regions.region_code
    left join ledger on cases.case_id = ledger.case_id
),

deadlines as (
    select * from {{ ref('int_verdicts') }}
    where {{ is_redone('case_id') }}
),

events as (
    select
        case_id,
        occurred_at
    from {{ ref('int_case_events') }}
    where {{ is_redone('case_id') }}
),

measures as (
    select
        case_id,
        month_date
    from {{ ref('int_fast_track_measures') }}
    where {{ is_redone('case_id') }}
),

answers as (
    select
        case_id,
        last_answered_date
    from {{ ref('int_case_filings') }}
    where is_current and last_answered_date is not null and {{ is_redone('case_id') }}
),

recurrences as (
    {{ recurrence_keys() }}
),

-- A term without a day is told of in the month in which its cycle began.
moments as (
    select
        deadlines.case_id,
        steps.moment,
        steps.has_term,
        steps.has_answer
    from deadlines
    cross join
        lateral (
            values
            (deadlines.opened_at, false, false),
            (deadlines.closed_at, false, true),
            (coalesce(deadlines.due_at, deadlines.opened_at), true, false),
            (
                coalesce(
                    deadlines.internal_due_at,
                    case when deadlines.internal_status is not null then deadlines.opened_at end
                ),
                true,
                false
            ),
            (
                coalesce(
                    deadlines.first_reply_due_at,
                    case when deadlines.first_reply_status is not null then deadlines.opened_at end
                ),
                true,
                false
            ),
            (
                coalesce(
                    deadlines.registration_due_at,
                    case
                        when deadlines.registration_status is not null then deadlines.opened_at
                    end
                ),
                true,
                false
            ),
            (deadlines.forwarding_due_at, true, false)
        ) as steps (moment, has_term, has_answer)
    where steps.moment is not null
    union all
    select
        case_id,
        occurred_at as moment,
        false as has_term,
        false as has_answer
    from events
),

dated as (
    select
        moments.case_id,
        date_trunc('month', moments.moment at time zone regions.time_zone)::date as month_date,
        moments.has_term,
        moments.has_answer
    from moments
    inner join appeals on moments.case_id = appeals.case_id
    inner join regions on appeals.region_code = regions.region_code
    union all
    select
        case_id,
        received_month as month_date,
        false as has_term,
        false as has_answer
    from appeals
    where received_month is not null
    union all
    -- A term begins to press three days before it ends.
    select
        case_id,
        date_trunc('month', (due_at at time zone time_zone)::date - 3)::date as month_date,
        false as has_term,
        false as has_answer
    from deadlines
    where due_at is not null
    union all
    select
        case_id,
        month_date,
        false as has_term,
        false as has_answer
    from measures
    where month_date is not null
    union all
    -- What has no date of its own stands in a cell as well.
    select
        case_id,
        '-infinity'::date as month_date,
        true as has_term,
        false as has_answer
    from deadlines
    where coalesce(due_at, opened_at) is null
),

months as (
    select
        case_id,
        month_date,
        bool_or(has_term) as has_term,
        bool_or(has_answer) as has_answer
    from dated
    group by case_id, month_date
)

select
    appeals.case_id,
    appeals.region_code,
    appeals.block_code,
    coalesce(appeals.municipality_code, '-') as place,
    coalesce(months.month_date, '-infinity') as month_date,
    -- In the month in which it came, the day, and the municipality for which it counts.
    case when months.month_date = appeals.received_month then appeals.received_date end
        as received_date,
    case when months.month_date = appeals.received_month then appeals.counted_in end as counted_in,
    coalesce(months.has_term, false) as has_term,
    coalesce(months.has_answer, false) as has_answer,
    coalesce(months.month_date = date_trunc('month', answers.last_answered_date::timestamp)::date, false)
        as has_last_answer,
    appeals.applicant_key,
    recurrences.recurrence_key,
    {{ moment_of_run() }} as begun_at,
    -- When it began, or ended.
    {{ moment_of_run() }} as found_at,
    true as is_current
from appeals
left join months on appeals.case_id = months.case_id
left join answers on appeals.case_id = answers.case_id
left join recurrences on appeals.case_id = recurrences.case_id
