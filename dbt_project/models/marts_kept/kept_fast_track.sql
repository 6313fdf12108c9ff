{{ config(
    unique_key=['month_date', 'municipality_code'],
    pre_hook="{{ collect_cells(cases=false, places=true) }}",
    indexes=[
        {'columns': ['region_code', 'month_date']},
        {'columns': ['block_code', 'month_date']},
    ]
) }}
with measures as (
    select * from {{ ref('int_fast_track_measures') }}
    where {{ is_of_redone_cell(place='municipality_code') }}
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

counted as (
    select
        month_date,
        region_code,
        block_code,
        body_code,
        municipality_code,
        channel_code,
        count(*) filter (where cohort = 'filed') as filed_cases,
        count(*) filter (where cohort = 'filed' and is_fast_track) as fast_track_cases,
        count(*) filter (where cohort = 'filed' and is_eligible) as eligible_cases,
        count(*) filter (where cohort = 'filed' and is_eligible and not is_fast_track)
            as missed_cases,
        count(*) filter (where cohort = 'filed' and not has_fast_norm) as without_norm_cases,
        count(*) filter (where cohort = 'due') as due_cycles,
        count(*) filter (where cohort = 'due' and deadline_status = 'on_time') as on_time,
        count(*) filter (where cohort = 'due' and deadline_status = 'late') as late,
        count(*) filter (where cohort = 'due' and deadline_status = 'overdue_open')
            as overdue_open,
        array_agg(case_id order by case_id) filter (
            where cohort = 'filed' and is_eligible and not is_fast_track
        ) as missed_case_ids,
        array_agg(distinct case_id) filter (
            where cohort = 'due' and deadline_status <> 'on_time'
        ) as late_case_ids
    from measures
    group by month_date, region_code, block_code, body_code, municipality_code, channel_code
)

select
    counted.month_date,
    counted.region_code,
    regions.region_name,
    counted.block_code,
    blocks.block_name,
    counted.body_code,
    counted.municipality_code,
    counted.channel_code,
    coalesce(channels.channel_name, 'Не определён') as channel_name,
    counted.filed_cases,
    counted.fast_track_cases,
    round(counted.fast_track_cases::numeric / nullif(counted.filed_cases, 0), 4) as coverage_share,
    counted.eligible_cases,
    counted.missed_cases,
    round(counted.missed_cases::numeric / nullif(counted.eligible_cases, 0), 4) as missed_share,
    counted.without_norm_cases,
    counted.due_cycles,
    counted.on_time,
    counted.late,
    counted.overdue_open,
    round(counted.on_time::numeric / nullif(counted.due_cycles, 0), 4) as compliance_share,
    case
        when counted.due_cycles > 0 then null
        when counted.without_norm_cases = counted.filed_cases
            then 'ускоренного срока для этих обращений нет'
        else 'ускоренные сроки в этом месяце не истекали'
    end as not_computed_reason,
    coalesce(counted.missed_case_ids, array[]::uuid[]) as missed_case_ids,
    coalesce(counted.late_case_ids, array[]::uuid[]) as late_case_ids
from counted
inner join regions on counted.region_code = regions.region_code
inner join blocks on counted.block_code = blocks.block_code
left join channels on counted.channel_code = channels.channel_code
