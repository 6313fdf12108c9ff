{{ config(
    incremental_strategy='in_place',
    indexes=[
        {'columns': ['region_code', 'period_kind', 'period_start']},
        {'columns': ['body_code']},
    ]
) }}
-- The dimensions of a rating without the lists of their cases, which kept_rating_cases and
-- kept_checked_replies have: made as a whole, because one body moves the mean of its peers.
with measures as (
    select * from {{ ref('int_rating_measures') }}
),

regions as (
    select * from {{ ref('dim_regions') }}
),

bodies as (
    select * from {{ ref('dim_bodies') }}
),

weighted as (
    select
        *,
        sum(weight) over (partition by period_kind, period_start, body_code) as total_weight
    from measures
)

select
    weighted.period_kind,
    weighted.period_start,
    weighted.region_code,
    regions.region_name,
    weighted.body_code,
    bodies.body_name,
    weighted.body_kind_code,
    bodies.body_kind_name,
    weighted.main_block_code,
    weighted.dimension_code,
    weighted.dimension_name,
    weighted.weight,
    weighted.numerator,
    weighted.n::bigint as n,
    round(weighted.raw_value, 4) as raw_value,
    round(weighted.shrunk_value, 4) as shrunk_value,
    round(weighted.peer_value, 4) as peer_value,
    round(weighted.interval_low, 4) as interval_low,
    round(weighted.interval_high, 4) as interval_high,
    round(100 * weighted.weight * weighted.shrunk_value / weighted.total_weight, 2)
        as contribution,
    round(weighted.ratio_p50, 4) as elapsed_ratio_p50,
    round(weighted.ratio_p90, 4) as elapsed_ratio_p90,
    (
        weighted.period_start
        + case weighted.period_kind
            when 'month' then interval '1 month'
            else interval '3 months'
        end
    ) at time zone regions.time_zone <= regions.as_of as is_period_finished,
    regions.as_of,
    weighted.prior_weight,
    weighted.is_sample_sufficient
from weighted
inner join regions on weighted.region_code = regions.region_code
inner join bodies on weighted.body_code = bodies.body_code
