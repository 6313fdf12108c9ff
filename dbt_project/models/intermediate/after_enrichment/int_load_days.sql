{{ config(materialized='ephemeral') }}
-- What each source brought on each of its local days, and what kind of day it was. Backfills and
-- replays are no day of a source. A day that a region has of its own goes before the country's, as in
-- int_calendar. Ephemeral, and made of seeds, for the reason given in int_expected_loads.
with expected_loads as (
    select * from {{ source('ops', 'expected_loads') }}
),

loads as (
    select * from {{ source('ops', 'loads') }}
),

regions as (
    select * from {{ ref('regions') }}
    where valid_to is null
),

production_calendar as (
    select * from {{ ref('production_calendar') }}
),

regional_days as (
    select * from {{ ref('regional_calendar') }}
),

day_loads as (
    select
        loads.source_code,
        loads.entity,
        loads.region_code,
        loads.run_id,
        loads.rows_read,
        loads.started_at at time zone expected_loads.time_zone as started_at_local
    from loads
    inner join expected_loads
        on
            loads.source_code = expected_loads.source_code
            and loads.entity = expected_loads.entity
            and loads.region_code = expected_loads.region_code
    where
        loads.outcome = 'success'
        and loads.withdrawn_at is null
        and loads.run_id not like 'replay%'
        and loads.run_id not like 'backfill%'
),

last_loads as (
    select
        source_code,
        entity,
        region_code,
        max(started_at_local) as started_at_local
    from day_loads
    group by source_code, entity, region_code
),

-- The files of a folder are loads of one run. Two months hold like days enough, unless these are
-- holidays: a ledger of years is not sorted for them.
runs as (
    select
        day_loads.source_code,
        day_loads.entity,
        day_loads.region_code,
        day_loads.run_id,
        min(day_loads.started_at_local) as started_at_local,
        sum(day_loads.rows_read) as rows_read
    from day_loads
    inner join last_loads
        on
            day_loads.source_code = last_loads.source_code
            and day_loads.entity = last_loads.entity
            and day_loads.region_code = last_loads.region_code
    where
        day_loads.started_at_local > last_loads.started_at_local - interval '60 days'
        or day_loads.started_at_local::date in (
            select calendar_date from production_calendar
            where day_kind = 'day_off'
        )
        or (day_loads.region_code, day_loads.started_at_local::date) in (
            select
                region_code,
                calendar_date
            from regional_days
            where day_kind = 'day_off'
        )
    group by
        day_loads.source_code, day_loads.entity, day_loads.region_code, day_loads.run_id
),

numbered as (
    select
        source_code,
        entity,
        region_code,
        rows_read,
        started_at_local::date as load_date,
        row_number() over (
            partition by source_code, entity, region_code, started_at_local::date
            order by started_at_local
        ) as run_number
    from runs
),

newest as (
    select distinct on (source_code, entity, region_code)
        source_code,
        entity,
        region_code,
        load_date,
        run_number as runs
    from numbered
    order by source_code asc, entity asc, region_code asc, load_date desc, run_number desc
),

-- A day that is not over yet is held against as many first runs of the days before it.
days as (
    select
        numbered.source_code,
        numbered.entity,
        numbered.region_code,
        numbered.load_date,
        numbered.load_date = newest.load_date as is_newest,
        sum(numbered.rows_read)::bigint as rows_read
    from numbered
    inner join newest
        on
            numbered.source_code = newest.source_code
            and numbered.entity = newest.entity
            and numbered.region_code = newest.region_code
            and numbered.run_number <= newest.runs
    group by
        numbered.source_code,
        numbered.entity,
        numbered.region_code,
        numbered.load_date,
        newest.load_date
)

select
    days.source_code,
    days.entity as entity_code,
    days.region_code,
    days.load_date,
    days.is_newest,
    days.rows_read,
    case
        when coalesce(regional_days.day_kind, production_calendar.day_kind) = 'day_off'
            then 'holiday'
        when coalesce(regional_days.day_kind, production_calendar.day_kind) is not null
            then 'working'
        when extract(isodow from days.load_date) >= 6 then 'weekend'
        else 'working'
    end as day_kind
from days
left join regions on days.region_code = regions.region_code
left join regional_days
    on
        days.region_code = regional_days.region_code
        and days.load_date = regional_days.calendar_date
left join production_calendar
    on
        days.load_date = production_calendar.calendar_date
        and coalesce(regions.calendar_code, 'ru') = 'ru'
