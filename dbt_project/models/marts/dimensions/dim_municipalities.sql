{{ config(materialized='incremental', incremental_strategy='in_place', on_schema_change='fail') }}
with municipalities as (
    select * from {{ ref('int_municipalities') }}
)

select
    municipality_code,
    region_code,
    municipality_name,
    population,
    population_year,
    valid_from
from municipalities
