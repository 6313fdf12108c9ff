{{ config(
    materialized='view',
    grants={'select': ['tsur_analyst', 'tsur_auditor']}
) }}
-- By how much cases exceed people in a slice of one or two dimensions. Only people who wrote more
-- than once in the period make a row, so this stays small where all slices would be many times the
-- cases. People = cases with a known applicant, less the surplus: exact, for each slice of its own. A view:
-- who asks names the dimensions, and their rows are found in an index.
with summed as (
    {{ surplus_by_slice(ref('kept_applicant_surplus')) }}
),

regions as (
    select * from {{ ref('dim_regions') }}
)

select
    summed.period_kind,
    summed.period_start,
    summed.region_code,
    summed.dimension_a,
    summed.value_a,
    summed.dimension_b,
    summed.value_b,
    summed.surplus,
    regions.as_of,
    '{{ var("metric_version") }}' as metric_version,
    '{{ config_version() }}' as config_version
from summed
inner join regions on summed.region_code = regions.region_code
