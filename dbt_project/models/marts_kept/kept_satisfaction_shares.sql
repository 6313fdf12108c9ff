{{ config(incremental_strategy='in_place') }}
-- The share of satisfied people in a region: what its blocks and places are compared with. Beside each
-- block, so that an official finds it beside his own, and once beside none, with the region's rows.
with counts as (
    select * from {{ ref('kept_satisfaction_counts') }}
    where part_code = 'block'
),

dated as (
    select
        periods.period_kind,
        date_trunc(periods.period_kind, counts.month_date::timestamp)::date as period_start,
        counts.region_code,
        counts.block_code,
        counts.satisfied_cases,
        counts.rated_cases
    from counts
    cross join (values ('month'), ('quarter')) as periods (period_kind)
),

regional as (
    select
        period_kind,
        period_start,
        region_code,
        sum(satisfied_cases) / nullif(sum(rated_cases), 0) as regional_share
    from dated
    group by period_kind, period_start, region_code
),

beside as (
    select distinct
        period_kind,
        period_start,
        region_code,
        block_code
    from dated
    union all
    select
        period_kind,
        period_start,
        region_code,
        null as block_code
    from regional
)

select
    regional.period_kind,
    regional.period_start,
    regional.region_code,
    beside.block_code,
    regional.regional_share
from regional
inner join beside
    on
        regional.period_kind = beside.period_kind
        and regional.period_start = beside.period_start
        and regional.region_code = beside.region_code
