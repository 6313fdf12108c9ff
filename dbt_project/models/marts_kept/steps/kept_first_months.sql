{{ config(materialized='view') }}
-- The first month in which a case came, of every region: by the index, and not by all cases.
with regions as (
    select * from {{ ref('dim_regions') }}
),

cases as not materialized (
    select
        region_code,
        month_date
    from {{ ref('fct_counted_cases') }}
)

select
    regions.region_code,
    firsts.first_month
from regions
cross join
    lateral (
        select min(cases.month_date) as first_month
        from cases
        where cases.region_code = regions.region_code
    ) as firsts
where firsts.first_month is not null
