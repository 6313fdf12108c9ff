{{ config(materialized='view') }}
-- The kept rows with what can move while they stay: the moment that they are of, names that only the
-- data know, and what the act of a region requires by then.
with kept as (
    select * from {{ ref('kept_repeat_appeals') }}
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
    where module_code = 'repeat'
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
    kept.answered_cycles,
    kept.returned_cycles,
    kept.reopen_share,
    kept.answered_cases,
    kept.unmatchable_cases,
    kept.observed_cases,
    kept.repeated_cases,
    kept.repeat_share,
    kept.observed_30d_cases,
    kept.repeated_30d_cases,
    kept.repeat_share_30d,
    kept.is_provisional,
    kept.repeated_by_house,
    kept.repeated_by_point,
    kept.repeated_by_equal_text,
    kept.repeated_by_similar_text,
    kept.repeated_by_cross_channel,
    kept.repeatedly_answered_cases,
    kept.same_text_copies,
    kept.not_computed_reason,
    kept.returned_case_ids,
    kept.repeated_case_ids,
    kept.repeating_case_ids,
    coalesce(module_labels.module_label, '') as module_label,
    regions.as_of,
    '{{ var("metric_version") }}' as metric_version,
    '{{ config_version() }}' as config_version
from kept
inner join regions on kept.region_code = regions.region_code
left join bodies on kept.body_code = bodies.body_code
left join municipalities on kept.municipality_code = municipalities.municipality_code
left join module_labels on kept.region_code = module_labels.region_code
