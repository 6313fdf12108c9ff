-- Вклады измерений складываются в балл органа.
-- The contributions of the dimensions add up to the score, to the rounding.
{{ config(store_failures=true, tags=['after_enrichment']) }}
with dimensions as (
    select
        period_kind,
        period_start,
        body_code,
        sum(contribution) as contributions
    from {{ ref('mart_agency_rating_dimensions') }}
    group by period_kind, period_start, body_code
),

ratings as (
    select * from {{ ref('mart_agency_rating') }}
    where score is not null
)

select
    ratings.period_kind,
    ratings.period_start,
    ratings.body_code,
    ratings.score,
    dimensions.contributions
from ratings
left join dimensions
    on
        ratings.period_kind = dimensions.period_kind
        and ratings.period_start = dimensions.period_start
        and ratings.body_code = dimensions.body_code
where
    dimensions.contributions is null
    or abs(ratings.score - dimensions.contributions) > 0.1
