{{ config(materialized='view') }}
-- The parts with the cases of their cells: lists are told once, and looked up when they are asked for.
with parts as (
    select * from {{ ref('kept_priority_parts') }}
),

cells as (
    select * from {{ ref('kept_problem_overview') }}
),

module_labels as (
    select
        region_code,
        module_label
    from {{ ref('dim_region_modules') }}
    where module_code = 'priorities'
)

select
    parts.month_date,
    parts.region_code,
    parts.region_name,
    parts.block_code,
    parts.municipality_code,
    parts.part_code,
    parts.part_name,
    parts.part_phrase,
    parts.sort_order,
    parts.weight,
    parts.value,
    parts.percent_rank,
    parts.contribution,
    (
        select cells.case_ids from cells
        where
            cells.region_code = parts.region_code
            and cells.month_date = parts.month_date
            and cells.block_code = parts.block_code
            and cells.municipality_code = parts.municipality_code
    ) as case_ids,
    coalesce(module_labels.module_label, 'вне положения') as module_label,
    parts.as_of,
    '{{ var("metric_version") }}' as metric_version,
    '{{ config_version() }}' as config_version
from parts
left join module_labels on parts.region_code = module_labels.region_code
