{{ config(
    incremental_strategy='in_place',
    indexes=[
        {'columns': ['region_code', 'month_date', 'block_code', 'municipality_code']},
    ]
) }}
-- What a priority is made of: each part of a cell, its place among the cells of the region, and how
-- many points it brings. Made as a whole: one cell moves the places of all others.
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

weights as (
    select * from {{ ref('int_priority_weights') }}
),

parts as (
    select
        cells.month_date,
        cells.region_code,
        cells.block_code,
        cells.municipality_code,
        weights.part_code,
        weights.part_name,
        weights.part_phrase,
        weights.sort_order,
        weights.weight,
        case weights.part_code
            when 'heat_index' then cells.heat_index
            when 'overdue_open' then cells.overdue_open_share
            when 'reopen' then cells.reopen_share
            when 'dissatisfaction' then 1 - cells.satisfaction_share
            when 'growth' then cells.growth_share
        end as value
    from cells
    inner join weights
        on
            {{ in_force('weights', 'cells.month_date') }}
),

-- Cells without a value take no place and move nobody's.
ranked as (
    select
        *,
        case
            when value is not null
                then percent_rank() over (
                    partition by month_date, region_code, part_code, value is null order by value
                )::numeric
        end as percent_rank
    from parts
),

weighted as (
    select
        *,
        sum(weight) filter (where value is not null) over (
            partition by month_date, region_code, block_code, municipality_code
        ) as weight_of_known
    from ranked
)

select
    weighted.month_date,
    weighted.region_code,
    cells.region_name,
    weighted.block_code,
    weighted.municipality_code,
    weighted.part_code,
    weighted.part_name,
    weighted.part_phrase,
    weighted.sort_order::int as sort_order,
    weighted.weight::numeric(8, 4) as weight,
    weighted.value::numeric(12, 4) as value,
    weighted.percent_rank::numeric(5, 4) as percent_rank,
    (
        100 * weighted.weight * weighted.percent_rank / nullif(weighted.weight_of_known, 0)
    )::numeric(7, 4) as contribution,
    cells.as_of
from weighted
-- Beside the parts: names are not carried through their orders.
inner join cells
    on
        weighted.month_date = cells.month_date
        and weighted.region_code = cells.region_code
        and weighted.block_code = cells.block_code
        and weighted.municipality_code = cells.municipality_code
