-- Municipalities with the latest population that the source gives.
with municipalities as (
    select * from {{ ref('municipalities') }}
    where valid_to is null
),

observed as (
    select * from {{ ref('int_municipality_names') }}
    where not is_known
),

populations as (
    select distinct on (region_code, oktmo)
        region_code,
        oktmo,
        population_year,
        population
    from {{ ref('stg_populations') }}
    where not is_deleted
    order by region_code asc, oktmo asc, population_year desc, record_key asc
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
union all
select
    municipality_code,
    region_code,
    municipality_name,
    null as population,
    null as population_year,
    null as valid_from
from observed
