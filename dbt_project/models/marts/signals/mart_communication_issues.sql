{{ config(materialized='view') }}
-- The kept rows with what can move while they stay: the moment that they are of, and names that only
-- the data know.
with kept as (
    select * from {{ ref('kept_communication_issues') }}
),

regions as (
    select * from {{ ref('dim_regions') }}
),

bodies as (
    select * from {{ ref('dim_bodies') }}
),

module_labels as (
    select
        region_code,
        module_label
    from {{ ref('dim_region_modules') }}
    where module_code = 'communication'
)

select
    kept.month_date,
    kept.region_code,
    kept.region_name,
    kept.block_code,
    kept.block_name,
    kept.body_code,
    coalesce(bodies.body_name, 'Не определён') as body_name,
    kept.issue_code,
    kept.issue_name,
    kept.rule_code,
    kept.rule_name,
    kept.flagged,
    kept.reviewed,
    kept.confirmed,
    kept.rejected,
    kept.evidence,
    kept.case_ids,
    kept.confirmed_case_ids,
    coalesce(
        (kept.month_date + interval '1 month') at time zone regions.time_zone <= regions.as_of,
        false
    ) as is_month_finished,
    coalesce(module_labels.module_label, 'вне положения') as module_label,
    regions.as_of,
    '{{ var("metric_version") }}' as metric_version,
    '{{ config_version() }}' as config_version
from kept
inner join regions on kept.region_code = regions.region_code
left join bodies on kept.body_code = bodies.body_code
left join module_labels on kept.region_code = module_labels.region_code
