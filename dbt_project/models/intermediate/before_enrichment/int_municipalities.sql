-- Municipalities with the latest population that the source gives.
with municipalities as (
    select * from {{ ref('municipalities') }}
    where valid_to is null
),

populations as (
    select distinct on (region_code, oktmo)
        region_code,
        oktmo,
        population_year,
        population
    from {{ ref('stg_populations') }}
    where not is_deleted
    order by region_code, oktmo, population_year desc, record_key
)

select
    municipalities.municipality_code,
    municipalities.region_code,
    municipalities.municipality_name,
    populations.population,
    populations.population_year,
    municipalities.valid_from
from municipalities
left join populations
    on
        municipalities.region_code = populations.region_code
        and municipalities.municipality_code = left(populations.oktmo, 8)
