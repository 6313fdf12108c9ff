{{ config(materialized='view') }}
-- The kept rows with what can move while they stay: the moment that they are of, and what the act of
-- a region requires by then.
with kept as (
    select * from {{ ref('kept_appeals_cube') }}
),

regions as (
    select * from {{ ref('dim_regions') }}
),

module_labels as (
    select
        region_code,
        module_label
    from {{ ref('dim_region_modules') }}
    where module_code = 'statistics'
)

select
    kept.received_date,
    kept.month_date,
    kept.region_code,
    kept.region_name,
    kept.block_code,
    kept.topic_group,
    kept.topic_code,
    kept.body_code,
    kept.body_kind_code,
    kept.municipality_code,
    kept.channel_code,
    kept.source_code,
    kept.regime_code,
    kept.case_state_code,
    kept.applicant_class_code,
    kept.cases,
    kept.cases_with_applicant,
    kept.case_ids,
    coalesce(module_labels.module_label, 'вне положения') as module_label,
    regions.as_of,
    '{{ var("metric_version") }}' as metric_version,
    '{{ config_version() }}' as config_version
from kept
inner join regions on kept.region_code = regions.region_code
left join module_labels on kept.region_code = module_labels.region_code
