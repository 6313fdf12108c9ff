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
