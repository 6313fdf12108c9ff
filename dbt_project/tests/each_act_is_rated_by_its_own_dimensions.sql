-- Рейтинг каждого региона — по измерениям его акта: в Челябинской области три, без качества, и
-- «сроки рассмотрения» вместо скорости (C 11(3)); удовлетворённость — только по настройке.
-- Each region is rated by the dimensions of its act and no others (DOMAIN 5.3).
{{ config(store_failures=true, tags=['before_enrichment']) }}
with acts (region_code, dimension_codes) as (
    values
    ('tambov', 'completeness, quality, quantity, speed'),
    ('pskov', 'completeness, quality, quantity, speed'),
    ('jewish_ao', 'completeness, quality, quantity, speed'),
    ('samara', 'completeness, quality, quantity, speed'),
    ('chelyabinsk', 'completeness, deadlines, quantity')
),

configured as (
    select
        region_code,
        string_agg(dimension_code, ', ' order by dimension_code) as dimension_codes
    from {{ ref('rating_dimensions') }}
    where valid_to is null and dimension_code <> 'satisfaction'
    group by region_code
)

select
    acts.region_code,
    acts.dimension_codes as named_by_the_act,
    configured.dimension_codes as configured
from acts
left join configured on acts.region_code = configured.region_code
where acts.dimension_codes is distinct from configured.dimension_codes
