{{ config(
    materialized='view',
    grants={'select': ['tsur_analyst', 'tsur_auditor']}
) }}
-- By how much cases exceed people in a slice of one or two dimensions. Only people who wrote more
-- than once in the period make a row, so this stays small where all slices would be many times the
-- cases. People = cases with a known applicant, less the surplus: exact, for each slice of its own. A view:
-- who asks names the dimensions, and their rows are found in an index.
with of_applicants as (
    select * from {{ ref('kept_applicant_surplus') }}
)

select
    period_kind,
    period_start,
    region_code,
    dimension_a,
    value_a,
    dimension_b,
    value_b,
    sum(surplus)::int as surplus
from of_applicants
group by period_kind, period_start, region_code, dimension_a, value_a, dimension_b, value_b
