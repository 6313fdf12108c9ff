{{ config(
    unique_key=['month_date', 'municipality_code'],
    pre_hook="{{ collect_cells(places=true, having='has_term') }}",
    indexes=[
        {'columns': ['region_code', 'month_date']},
        {'columns': ['month_date']},
        {'columns': ['place', 'body_code']},
    ]
) }}
with deadlines as (
    select * from {{ ref('fct_deadlines') }}
    where {{ is_case_of_redone_cell() }}
),

appeals as (
    select
        case_id,
        block_code,
        municipality_code,
        channel_code,
        is_deleted
    from {{ ref('fct_appeals') }}
    where {{ is_case_of_redone_cell() }}
),

regions as (
    select * from {{ ref('dim_regions') }}
),

blocks as (
    select * from {{ ref('dim_blocks') }}
),

channels as (
    select * from {{ ref('dim_channels') }}
),

-- Withdrawn, rejected and deleted cases have no term to keep; a cycle that begins later than the
-- report's moment has not begun.
living as (
    select
        deadlines.*,
        appeals.block_code,
        appeals.municipality_code,
        appeals.channel_code,
        regions.time_zone
    from deadlines
    inner join appeals on deadlines.case_id = appeals.case_id
    inner join regions on deadlines.region_code = regions.region_code
    where
        deadlines.exclusion_code is null
        and deadlines.is_opened
        and not appeals.is_deleted
),

-- Each clock reports in the month in which its own term ends, and of the body whose term it was.
clocks as (
    select
        'final' as clock_code,
        month_date,
        region_code,
        block_code,
        body_code,
        municipality_code,
        channel_code,
        case_id,
        deadline_status as clock_status,
        due_at,
        as_of,
        is_extended,
        is_verdict_mismatch
    from living
    union all
    select
        'internal' as clock_code,
        date_trunc('month', coalesce(internal_due_at, opened_at) at time zone time_zone)::date
            as month_date,
        region_code,
        block_code,
        body_code,
        municipality_code,
        channel_code,
        case_id,
        internal_status as clock_status,
        internal_due_at as due_at,
        as_of,
        null::boolean as is_extended,
        null::boolean as is_verdict_mismatch
    from living
    where internal_status is not null
    union all
    select
        'first_reply' as clock_code,
        date_trunc('month', coalesce(first_reply_due_at, opened_at) at time zone time_zone)::date
            as month_date,
        region_code,
        block_code,
        first_reply_body_code as body_code,
        municipality_code,
        channel_code,
        case_id,
        first_reply_status as clock_status,
        first_reply_due_at as due_at,
        as_of,
        null::boolean as is_extended,
        null::boolean as is_verdict_mismatch
    from living
    where first_reply_status is not null
    union all
    select
        'registration' as clock_code,
        date_trunc('month', coalesce(registration_due_at, opened_at) at time zone time_zone)::date
            as month_date,
        region_code,
        block_code,
        registration_body_code as body_code,
        municipality_code,
        channel_code,
        case_id,
        registration_status as clock_status,
        registration_due_at as due_at,
        as_of,
        null::boolean as is_extended,
        null::boolean as is_verdict_mismatch
    from living
    where registration_status is not null
    union all
    -- What was forwarded early counts when it was forwarded: nothing is left to wait for.
    select
        'forwarding' as clock_code,
        date_trunc('month', forwarding_due_at at time zone time_zone)::date as month_date,
        region_code,
        block_code,
        forwarding_body_code as body_code,
        municipality_code,
        channel_code,
        case_id,
        forwarding_status as clock_status,
        forwarding_due_at as due_at,
        forwarding_due_at as as_of,
        null::boolean as is_extended,
        null::boolean as is_verdict_mismatch
    from living
    where forwarding_status is not null
),

judged as (
    select
        *,
        clock_code || '_' || case
            -- Kept before a term that ends after the report: it joins the cohort on its due date.
            when clock_status = 'on_time' and due_at > as_of then 'early'
            else clock_status
        end as state
    from clocks
),

counted as (
    select
        month_date,
        region_code,
        block_code,
        body_code,
        municipality_code,
        channel_code,
        count(*) filter (where clock_code = 'final') as cycles,
        count(*) filter (where state = 'final_on_time') as on_time,
        count(*) filter (where state = 'final_late') as late,
        count(*) filter (where state = 'final_overdue_open') as overdue_open,
        count(*) filter (where state = 'final_open') as open,
        count(*) filter (where state = 'final_early') as answered_not_yet_due,
        count(*) filter (where state = 'final_undefined') as undefined,
        count(*) filter (where is_extended) as extended,
        count(*) filter (where is_verdict_mismatch) as source_verdict_mismatches,
        count(*) filter (where is_verdict_mismatch is not null) as source_verdicts_compared,
        count(*) filter (where state = 'internal_on_time') as internal_on_time,
        count(*) filter (where state = 'internal_late') as internal_late,
        count(*) filter (where state = 'internal_overdue_open') as internal_overdue_open,
        count(*) filter (where state in ('internal_open', 'internal_early')) as internal_not_yet_due,
        count(*) filter (where state = 'internal_undefined') as internal_undefined,
        count(*) filter (where state = 'first_reply_on_time') as first_reply_on_time,
        count(*) filter (where state = 'first_reply_late') as first_reply_late,
        count(*) filter (where state = 'first_reply_overdue_open') as first_reply_overdue_open,
        count(*) filter (where state in ('first_reply_open', 'first_reply_early')) as first_reply_not_yet_due,
        count(*) filter (where state = 'first_reply_undefined') as first_reply_undefined,
        count(*) filter (where state = 'registration_on_time') as registration_on_time,
        count(*) filter (where state = 'registration_late') as registration_late,
        count(*) filter (where state = 'registration_overdue_open') as registration_overdue_open,
        count(*) filter (where state in ('registration_open', 'registration_early')) as registration_not_yet_due,
        count(*) filter (where state = 'registration_undefined') as registration_undefined,
        count(*) filter (where state = 'forwarding_on_time') as forwarding_on_time,
        count(*) filter (where state = 'forwarding_late') as forwarding_late,
        array_agg(distinct case_id) filter (
            where state in ('final_late', 'final_overdue_open')
        ) as case_ids,
        array_agg(distinct case_id) filter (
            where state in ('first_reply_late', 'first_reply_overdue_open')
        ) as first_reply_case_ids,
        array_agg(distinct case_id) filter (
            where state in ('registration_late', 'registration_overdue_open', 'forwarding_late')
        ) as step_case_ids,
        array_agg(distinct case_id) filter (where is_verdict_mismatch) as mismatch_case_ids
    from judged
    where {{ is_of_redone_cell(place='municipality_code') }}
    group by
        month_date,
        region_code,
        block_code,
        body_code,
        municipality_code,
        channel_code
),

summed as (
    select
        *,
        on_time + late + overdue_open as due_cohort,
        first_reply_on_time + first_reply_late + first_reply_overdue_open
            as first_reply_due_cohort
    from counted
)

select
    summed.month_date,
    summed.region_code,
    regions.region_name,
    summed.block_code,
    blocks.block_name,
    summed.body_code,
    summed.municipality_code,
    summed.channel_code,
    coalesce(channels.channel_name, 'Не определён') as channel_name,
    summed.cycles,
    summed.due_cohort,
    summed.on_time,
    summed.late,
    summed.overdue_open,
    summed.open,
    summed.answered_not_yet_due,
    summed.undefined,
    summed.extended,
    summed.source_verdict_mismatches,
    summed.source_verdicts_compared,
    round(summed.on_time::numeric / nullif(summed.due_cohort, 0), 4) as on_time_share,
    round(
        summed.source_verdict_mismatches::numeric / nullif(summed.source_verdicts_compared, 0), 4
    ) as source_verdict_mismatch_share,
    -- the internal term
    summed.internal_on_time,
    summed.internal_late,
    summed.internal_overdue_open,
    summed.internal_not_yet_due,
    summed.internal_undefined,
    -- the first reply
    summed.first_reply_due_cohort,
    summed.first_reply_on_time,
    summed.first_reply_late,
    summed.first_reply_overdue_open,
    summed.first_reply_not_yet_due,
    summed.first_reply_undefined,
    round(summed.first_reply_on_time::numeric / nullif(summed.first_reply_due_cohort, 0), 4)
        as first_reply_on_time_share,
    -- registration and forwarding: charged to whoever had to do it
    summed.registration_on_time,
    summed.registration_late,
    summed.registration_overdue_open,
    summed.registration_not_yet_due,
    summed.registration_undefined,
    summed.forwarding_on_time,
    summed.forwarding_late,
    -- whose cases these are
    coalesce(summed.case_ids, array[]::uuid[]) as case_ids,
    coalesce(summed.first_reply_case_ids, array[]::uuid[]) as first_reply_case_ids,
    coalesce(summed.step_case_ids, array[]::uuid[]) as step_case_ids,
    coalesce(summed.mismatch_case_ids, array[]::uuid[]) as mismatch_case_ids,
    case when summed.due_cohort = 0 then 'ни один срок ещё не истёк' end as not_computed_reason,
    coalesce(summed.municipality_code, '-') as place
from summed
inner join regions on summed.region_code = regions.region_code
inner join blocks on summed.block_code = blocks.block_code
left join channels on summed.channel_code = channels.channel_code
