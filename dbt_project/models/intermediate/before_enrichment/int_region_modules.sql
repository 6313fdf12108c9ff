{{ config(materialized='view') }}
-- What the act of each region requires at the moment of its report: one row a region and module. A
-- module is required as far as any requirement that its marts serve is. A region whose act is not
-- in the configuration owes nothing.
with modules as (
    select * from {{ ref('modules') }}
),

mart_modules as (
    select * from {{ ref('mart_modules') }}
),

requirements as (
    select * from {{ ref('requirements') }}
),

regions as (
    select * from {{ ref('int_regions') }}
),

-- A requirement is served by one mart; its module's other marts stand beside it.
in_force as (
    select
        requirements.region_code,
        mart_modules.module_code,
        requirements.state,
        requirements.clause,
        requirements.valid_from,
        requirements.sort_order,
        case requirements.state
            when 'required' then 1
            when 'required, served outside the data' then 2
            when 'term only' then 3
            else 4
        end as state_rank
    from requirements
    inner join regions on requirements.region_code = regions.region_code
    inner join mart_modules on requirements.served_by = mart_modules.mart
    where
        {{ in_force('requirements', 'regions.as_of_date') }}
),

ranked as (
    select
        *,
        min(state_rank) over (partition by region_code, module_code) as first_rank
    from in_force
),

module_states as (
    select
        region_code,
        module_code,
        min(state) as requirement_state,
        string_agg(clause, '; ' order by sort_order) as clause,
        min(valid_from) as valid_from
    from ranked
    where state_rank = first_rank
    group by region_code, module_code
)

select
    regions.region_code,
    modules.module_code,
    modules.module_name,
    modules.module_name_en,
    modules.sort_order,
    coalesce(module_states.requirement_state, 'outside the act') as requirement_state,
    coalesce(module_states.clause, '—') as clause,
    coalesce(module_states.valid_from, regions.valid_from) as valid_from
from regions
cross join modules
left join module_states
    on
        regions.region_code = module_states.region_code
        and modules.module_code = module_states.module_code
