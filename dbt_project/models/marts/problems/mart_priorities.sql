{{ config(
    indexes=[
        {'columns': ['region_code', 'month_date', 'priority_rank']},
        {'columns': ['block_code']},
    ]
) }}
with blocks as (
    select block_code from {{ ref('dim_blocks') }}
    where is_sector
),

-- What has no place or no block is nothing that could be done first.
cells as (
    select overview.*
    from {{ ref('mart_problem_overview') }} as overview
    inner join blocks on overview.block_code = blocks.block_code
    where overview.municipality_code is not null
),

parts as (
    select * from {{ ref('kept_priority_parts') }}
),

module_labels as (
    select
        region_code,
        module_label
    from {{ ref('dim_region_modules') }}
    where module_code = 'priorities'
),

scored as (
    select
        month_date,
        region_code,
        block_code,
        municipality_code,
        round(sum(contribution), 1) as score,
        count(value) as known_parts,
        -- Why this and not another: what brings the most points, first.
        string_agg(part_phrase, '; ' order by contribution desc, sort_order asc)
        filter (where percent_rank >= 0.5) as reasons,
        string_agg(part_name, '; ' order by sort_order) filter (where value is null)
            as missing_parts
    from parts
    group by month_date, region_code, block_code, municipality_code
)

select
    cells.month_date,
    cells.region_code,
    cells.region_name,
    cells.block_code,
    cells.block_name,
    cells.municipality_code,
    cells.municipality_name,
    scored.score as priority_score,
    case
        when scored.score is not null
            then dense_rank() over (
                partition by cells.month_date, cells.region_code
                order by scored.score desc nulls last
            )
    end::int as priority_rank,
    coalesce(scored.reasons, '') as reasons,
    scored.known_parts::int as known_parts,
    coalesce(scored.missing_parts, '') as missing_parts,
    case when scored.score is null then 'ни одна часть не рассчитана' end as not_computed_reason,
    cells.cases,
    cells.case_ids,
    cells.is_month_finished,
    coalesce(module_labels.module_label, 'вне положения') as module_label,
    cells.as_of,
    '{{ var("metric_version") }}' as metric_version,
    '{{ config_version() }}' as config_version
from cells
inner join scored
    on
        cells.month_date = scored.month_date
        and cells.region_code = scored.region_code
        and cells.block_code = scored.block_code
        and cells.municipality_code = scored.municipality_code
left join module_labels on cells.region_code = module_labels.region_code
