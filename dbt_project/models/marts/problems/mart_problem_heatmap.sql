{{ config(materialized='view') }}
-- The kept rows with what can move while they stay: the moment that they are of, names that only the
-- data know, and what the act of a region requires by then.
with kept as (
    select * from {{ ref('kept_problem_heatmap') }}
),

regions as (
    select * from {{ ref('dim_regions') }}
),

municipalities as (
    select * from {{ ref('dim_municipalities') }}
),

gaps as (
    select
        region_code,
        array_agg(municipality_name order by municipality_name) as population_gaps
    from municipalities
    where coalesce(population, 0) <= 0
    group by region_code
),

module_labels as (
    select
        region_code,
        module_label
    from {{ ref('dim_region_modules') }}
    where module_code = 'heatmap'
)

select
    kept.week_start,
    kept.region_code,
    kept.region_name,
    kept.municipality_code,
    coalesce(municipalities.municipality_name, 'Не определено') as municipality_name,
    kept.block_code,
    kept.block_name,
    kept.problems,
    kept.cases,
    kept.population,
    kept.expected_problems,
    kept.heat_index,
    kept.heat_class,
    kept.cases_with_term,
    kept.overdue_open,
    kept.overdue_open_share,
    kept.reopen_share,
    kept.severity_share,
    kept.unlocated_share,
    kept.is_unlocated_warning,
    kept.is_computed,
    kept.not_computed_reason,
    coalesce(gaps.population_gaps, '{}') as population_gaps,
    kept.evidence,
    kept.case_ids,
    (kept.week_start + 7)::timestamp at time zone regions.time_zone <= regions.as_of
        as is_week_finished,
    coalesce(module_labels.module_label, 'вне положения') as module_label,
    regions.as_of,
    '{{ var("metric_version") }}' as metric_version,
    '{{ config_version() }}' as config_version
from kept
inner join regions on kept.region_code = regions.region_code
left join municipalities
    on
        kept.region_code = municipalities.region_code
        and kept.municipality_code = municipalities.municipality_code
left join gaps on kept.region_code = gaps.region_code
left join module_labels on kept.region_code = module_labels.region_code
