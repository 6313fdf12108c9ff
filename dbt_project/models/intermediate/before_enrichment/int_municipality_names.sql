-- Every spelling of a municipality met in a region, and the municipality that it means. A region whose
-- municipalities are not in the register (a foreign city) shows the places as its source names them.
with recursive municipalities as (
    select * from {{ ref('municipalities') }}
    where valid_to is null
),

cases as not materialized (
    select
        region_code,
        municipality_label,
        municipality_key
    from {{ ref('int_case_records') }}
    where municipality_key is not null
),

regions_of_cases as (
    {{- distinct_in_index('regions_of_cases', 'cases', ['region_code']) }}
),

without_register as (
    select region_code from regions_of_cases
    where region_code not in (select municipalities.region_code from municipalities)
),

known as (
    select
        region_code,
        {{ match_key('municipality_name') }} as municipality_key,
        min(municipality_code) as municipality_code
    from municipalities
    group by region_code, {{ match_key('municipality_name') }}
    union
    select
        region_code,
        municipality_code as municipality_key,
        municipality_code
    from municipalities
),

observed as (
    select
        unregistered.region_code,
        unregistered.municipality_key,
        mode() within group (order by unregistered.municipality_label) as municipality_name
    from without_register
    cross join
        lateral (
            select cases.* from cases
            where cases.region_code = without_register.region_code
            {{ looked_up() }}
        ) as unregistered
    group by unregistered.region_code, unregistered.municipality_key
)

select
    region_code,
    municipality_key,
    municipality_code,
    null as municipality_name,
    true as is_known
from known
union all
select
    region_code,
    municipality_key,
    region_code || '_' || left(md5(municipality_key), 12) as municipality_code,
    municipality_name,
    false as is_known
from observed
