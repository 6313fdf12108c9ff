{{ config(materialized='view') }}
-- Norm hours of one event in a region, by the days on which they hold: official clerical norms (table
-- 43) and what a region approved. A region's own norm of a step goes before the common one; steps of
-- one event add up.
with workload_norms as (
    select * from {{ ref('workload_norms') }}
),

regions as (
    select distinct region_code from {{ ref('regions') }}
),

norms as (
    select
        regions.region_code,
        workload_norms.region_code <> '*' as is_own_norm,
        workload_norms.step_code,
        workload_norms.event_code,
        workload_norms.hours,
        workload_norms.valid_from,
        workload_norms.valid_to
    from regions
    inner join workload_norms on workload_norms.region_code in (regions.region_code, '*')
),

-- The sum may change on the days on which a norm begins or ends.
turning_days as (
    select
        region_code,
        event_code,
        valid_from
    from norms
    union
    select
        region_code,
        event_code,
        valid_to as valid_from
    from norms
    where valid_to is not null
),

periods as (
    select
        *,
        lead(valid_from) over (
            partition by region_code, event_code order by valid_from
        ) as valid_to
    from turning_days
),

in_force as (
    select distinct on (
        periods.region_code, periods.event_code, periods.valid_from, norms.step_code
    )
        periods.*,
        norms.hours
    from periods
    inner join norms
        on
            periods.region_code = norms.region_code
            and periods.event_code = norms.event_code
            and {{ in_force('norms', 'periods.valid_from') }}
    order by
        periods.region_code asc,
        periods.event_code asc,
        periods.valid_from asc,
        norms.step_code asc,
        norms.is_own_norm desc,
        norms.valid_from desc
)

select
    region_code,
    event_code,
    valid_from,
    valid_to,
    sum(hours) as norm_hours
from in_force
group by region_code, event_code, valid_from, valid_to
