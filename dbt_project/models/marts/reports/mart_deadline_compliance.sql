{{ config(
    indexes=[
        {'columns': ['region_code', 'month_date']},
        {'columns': ['month_date']},
    ]
) }}
with deadlines as (
    select * from {{ ref('fct_deadlines') }}
),

appeals as (
    select
        case_id,
        block_code,
        municipality_code,
        channel_code,
        is_deleted
    from {{ ref('fct_appeals') }}
),

regions as (
    select * from {{ ref('dim_regions') }}
),

blocks as (
    select * from {{ ref('dim_blocks') }}
),

bodies as (
    select * from {{ ref('dim_bodies') }}
),

municipalities as (
    select * from {{ ref('dim_municipalities') }}
),

channels as (
    select * from {{ ref('dim_channels') }}
),

-- Withdrawn, rejected and deleted cases have no term to keep; a cycle that begins later than the
-- report's moment has not begun.
counted as (
    select
        deadlines.month_date,
        deadlines.region_code,
        appeals.block_code,
        deadlines.body_code,
        appeals.municipality_code,
        appeals.channel_code,
        count(*) as cycles,
        count(*) filter (
            where deadlines.deadline_status = 'on_time' and deadlines.due_at <= deadlines.as_of
        ) as on_time,
        count(*) filter (where deadlines.deadline_status = 'late') as late,
        count(*) filter (where deadlines.deadline_status = 'overdue_open') as overdue_open,
        count(*) filter (where deadlines.deadline_status = 'open') as open,
        -- Answered before a term that ends after the report: it joins the cohort on its due date.
        count(*) filter (
            where deadlines.deadline_status = 'on_time' and deadlines.due_at > deadlines.as_of
        ) as answered_not_yet_due,
        count(*) filter (where deadlines.deadline_status = 'undefined') as undefined,
        count(*) filter (where deadlines.is_extended) as extended,
        count(*) filter (where deadlines.is_verdict_mismatch) as source_verdict_mismatches,
        count(*) filter (where deadlines.is_verdict_mismatch is not null)
            as source_verdicts_compared
    from deadlines
    inner join appeals on deadlines.case_id = appeals.case_id
    where
        deadlines.exclusion_code is null
        and deadlines.is_opened
        and not appeals.is_deleted
    group by
        deadlines.month_date,
        deadlines.region_code,
        appeals.block_code,
        deadlines.body_code,
        appeals.municipality_code,
        appeals.channel_code
)

select
    counted.month_date,
    counted.region_code,
    regions.region_name,
    counted.block_code,
    blocks.block_name,
    counted.body_code,
    coalesce(bodies.body_name, 'Не определён') as body_name,
    counted.municipality_code,
    coalesce(municipalities.municipality_name, 'Не определено') as municipality_name,
    counted.channel_code,
    coalesce(channels.channel_name, 'Не определён') as channel_name,
    counted.cycles,
    counted.on_time + counted.late + counted.overdue_open as due_cohort,
    counted.on_time,
    counted.late,
    counted.overdue_open,
    counted.open,
    counted.answered_not_yet_due,
    counted.undefined,
    counted.extended,
    counted.source_verdict_mismatches,
    counted.source_verdicts_compared,
    coalesce(
        (counted.month_date + interval '1 month') at time zone regions.time_zone <= regions.as_of,
        false
    ) as is_month_finished,
    regions.as_of,
    '{{ var("metric_version") }}' as metric_version,
    '{{ var("config_version") }}' as config_version
from counted
inner join regions on counted.region_code = regions.region_code
inner join blocks on counted.block_code = blocks.block_code
left join bodies on counted.body_code = bodies.body_code
left join municipalities on counted.municipality_code = municipalities.municipality_code
left join channels on counted.channel_code = channels.channel_code
