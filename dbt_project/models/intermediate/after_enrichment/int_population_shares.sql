{{ config(materialized='view') }}
-- What part of its region's people lives in a municipality, of those whose population is known.
with municipalities as (
    select * from {{ ref('int_municipalities') }}
)

select
    region_code,
    municipality_code,
    population::numeric / sum(population) over (partition by region_code) as population_share
from municipalities
where population > 0
