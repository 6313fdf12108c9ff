-- The local days of which a source told everything: whole days within the windows of its good loads.
-- A day outside is missing, not zero. A load without a window brings all that is known up to its
-- start. Where a source has several kinds of cases, a day counts when all of them came.
with recursive loads as (
    select * from {{ source('ops', 'loads') }}
),

cases as not materialized (
    select
        source_code,
        region_code,
        load_id,
        received_date
    from {{ ref('int_case_records') }}
),

clock as (
    select * from {{ ref('int_region_clock') }}
),

loads_of_cases as (
    {{- distinct_in_index('loads_of_cases', 'cases', ['source_code', 'region_code', 'load_id']) }}
),

case_loads as (
    select
        loads_of_cases.*,
        (
            select min(cases.received_date) from cases
            where
                cases.source_code = loads_of_cases.source_code
                and cases.region_code = loads_of_cases.region_code
                and cases.load_id = loads_of_cases.load_id
        ) as first_date
    from loads_of_cases
),

case_entities as (
    select
        case_loads.source_code,
        case_loads.region_code,
        loads.entity
    from case_loads
    inner join loads on case_loads.load_id = loads.load_id
    group by case_loads.source_code, case_loads.region_code, loads.entity
),

beginnings as (
    select
        source_code,
        region_code,
        min(first_date) as first_date
    from case_loads
    group by source_code, region_code
),

spans as (
    select
        case_entities.source_code,
        case_entities.region_code,
        case_entities.entity,
        coalesce(
            (loads.window_from at time zone clock.time_zone)::date, beginnings.first_date
        ) as first_date,
        -- The day in which a window or a load without one ends is not whole.
        (coalesce(loads.window_to, loads.started_at) at time zone clock.time_zone)::date - 1
            as last_date
    from case_entities
    inner join clock on case_entities.region_code = clock.region_code
    inner join beginnings
        on
            case_entities.source_code = beginnings.source_code
            and case_entities.region_code = beginnings.region_code
    left join loads
        on
            case_entities.source_code = loads.source_code
            and case_entities.region_code = loads.region_code
            and case_entities.entity = loads.entity
            and loads.outcome = 'success'
            and loads.withdrawn_at is null
            -- A replay reads what lies in quarantine: it tells of no day as a whole.
            and loads.run_id not like 'replay%'
),

by_entity as (
    select
        source_code,
        region_code,
        entity,
        coalesce(
            range_agg(daterange(first_date, last_date, '[]'))
            filter (where first_date <= last_date),
            '{}'::datemultirange
        ) as covered_days
    from spans
    group by source_code, region_code, entity
)

select
    source_code,
    region_code,
    range_intersect_agg(covered_days) as covered_days
from by_entity
group by source_code, region_code
