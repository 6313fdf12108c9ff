-- Every spelling of a municipality met in a region, and the municipality that it means. A region whose
-- municipalities are not in the register (a foreign city) shows the places as its source names them.
with municipalities as (
    select * from {{ ref('municipalities') }}
    where valid_to is null
),

cases as (
    select
        region_code,
        municipality_label,
        municipality_key
    from {{ ref('int_case_records') }}
    where municipality_key is not null
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
        region_code,
        municipality_key,
        mode() within group (order by municipality_label) as municipality_name
    from cases
    where region_code not in (select municipalities.region_code from municipalities)
    group by region_code, municipality_key
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
