{{ config(materialized='view') }}
-- The kept rows with what can move while they stay: the moment that they are of, names that only the
-- data know, and what the act of a region requires by then.
with kept as (
    select * from {{ ref('kept_fast_track') }}
),

regions as (
    select * from {{ ref('dim_regions') }}
),

bodies as (
    select * from {{ ref('dim_bodies') }}
),

municipalities as (
    select * from {{ ref('dim_municipalities') }}
),

module_labels as (
    select
        region_code,
        module_label
    from {{ ref('dim_region_modules') }}
    where module_code = 'fasttrack'
)

select
    kept.month_date,
    kept.region_code,
    kept.region_name,
    kept.block_code,
    kept.block_name,
    kept.body_code,
    coalesce(bodies.body_name, 'Не определён') as body_name,
    kept.municipality_code,
    coalesce(municipalities.municipality_name, 'Не определено') as municipality_name,
    kept.channel_code,
    kept.channel_name,
    kept.filed_cases,
    kept.fast_track_cases,
    kept.coverage_share,
    kept.eligible_cases,
    kept.missed_cases,
    kept.missed_share,
    kept.without_norm_cases,
    kept.due_cycles,
    kept.on_time,
    kept.late,
    kept.overdue_open,
    kept.compliance_share,
    kept.not_computed_reason,
    coalesce(
        (kept.month_date + interval '1 month') at time zone regions.time_zone <= regions.as_of,
        false
    ) as is_month_finished,
    kept.missed_case_ids,
    kept.late_case_ids,
    coalesce(module_labels.module_label, '') as module_label,
    regions.as_of,
    '{{ var("metric_version") }}' as metric_version,
    '{{ config_version() }}' as config_version
from kept
inner join regions on kept.region_code = regions.region_code
left join bodies on kept.body_code = bodies.body_code
left join municipalities on kept.municipality_code = municipalities.municipality_code
left join module_labels on kept.region_code = module_labels.region_code
