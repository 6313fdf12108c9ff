{{ config(materialized='incremental', incremental_strategy='in_place', on_schema_change='fail') }}
with region_modules as (
    select * from {{ ref('int_region_modules') }}
)

select
    region_code,
    module_code,
    module_name,
    module_name_en,
    sort_order::int as sort_order,
    requirement_state,
    -- An imported term obliges nobody.
    case
        when requirement_state in ('outside the act', 'term only') then 'вне положения'
        else ''
    end as module_label,
    clause,
    valid_from
from region_modules
