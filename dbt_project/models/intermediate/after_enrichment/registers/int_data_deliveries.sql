-- Which expected deliveries came (DOMAIN 5.20): one row a period of a supply. A period is served by
-- the first successful load since it began; it is in time until the period's end and the grace. Loads
-- that were withdrawn, replays and backfills bring nothing of a day.
with expected as (
    select * from {{ ref('expected_deliveries') }}
),

regions as (
    select * from {{ ref('int_region_clock') }}
),

expected_loads as (
    select * from {{ source('ops', 'expected_loads') }}
),

ledger as (
    select * from {{ source('ops', 'loads') }}
),

loads as (
    select
        ledger.source_code,
        ledger.entity as entity_code,
        ledger.region_code,
        ledger.finished_at,
        min(ledger.load_id) as load_id
    from ledger
    inner join regions on ledger.region_code = regions.region_code
    where
        ledger.outcome = 'success'
        and ledger.withdrawn_at is null
        and ledger.run_id not like 'replay%'
        and ledger.run_id not like 'backfill%'
        and ledger.finished_at <= regions.as_of
    group by ledger.source_code, ledger.entity, ledger.region_code, ledger.finished_at
),

first_loads as (
    select
        source_code,
        entity_code,
        region_code,
        min(finished_at) as first_at
    from loads
    group by source_code, entity_code, region_code
),

-- Expected since it was declared; a restored warehouse declares anew and still has its loads.
supplies as (
    select
        expected.*,
        regions.as_of,
        regions.time_zone,
        regions.as_of_date,
        (
            least(expected_loads.declared_at, first_loads.first_at) at time zone regions.time_zone
        )::date as expected_since,
        case expected.period
            when 'day' then interval '1 day'
            when 'week' then interval '1 week'
            when 'month' then interval '1 month'
            when 'quarter' then interval '3 months'
        end as period_length
    from expected
    inner join regions on expected.region_code = regions.region_code
    left join expected_loads
        on
            expected.source_code = expected_loads.source_code
            and expected.entity_code = expected_loads.entity
            and expected.region_code = expected_loads.region_code
    left join first_loads
        on
            expected.source_code = first_loads.source_code
            and expected.entity_code = first_loads.entity_code
            and expected.region_code = first_loads.region_code
),

-- Whole periods only: the one in which it was declared had begun before.
periods as (
    select
        supplies.*,
        series.period_start::date as period_start,
        series.period_start at time zone supplies.time_zone as starts_at,
        (series.period_start + supplies.period_length)::date as period_end,
        (series.period_start + supplies.period_length) at time zone supplies.time_zone
        + supplies.grace_hours * interval '1 hour' as due_at
    from supplies
    cross join
        lateral generate_series(
            date_trunc(
                supplies.period, greatest(supplies.expected_since, supplies.valid_from)::timestamp
            )
            + supplies.period_length,
            least(supplies.as_of_date, coalesce(supplies.valid_to - 1, supplies.as_of_date))::timestamp,
            supplies.period_length
        ) as series (period_start)
    where supplies.expected_since <= supplies.as_of_date
),

marks as (
    select
        region_code,
        source_code,
        entity_code,
        starts_at as moment,
        null::timestamptz as loaded_at,
        period_start
    from periods
    union all
    select
        region_code,
        source_code,
        entity_code,
        finished_at as moment,
        finished_at as loaded_at,
        null as period_start
    from loads
),

served as (
    select
        *,
        min(loaded_at) over (
            partition by region_code, source_code, entity_code
            order by moment desc, loaded_at desc nulls last
            rows between unbounded preceding and current row
        ) as delivered_at
    from marks
),

judged as (
    select
        periods.*,
        served.delivered_at,
        loads.load_id,
        case
            when served.delivered_at <= periods.due_at then 'in_time'
            when served.delivered_at is not null then 'late'
            when periods.due_at < periods.as_of then 'missing'
            else 'not_due'
        end as delivery_state_code
    from periods
    inner join served
        on
            periods.region_code = served.region_code
            and periods.source_code = served.source_code
            and periods.entity_code = served.entity_code
            and periods.period_start = served.period_start
    left join loads
        on
            served.region_code = loads.region_code
            and served.source_code = loads.source_code
            and served.entity_code = loads.entity_code
            and served.delivered_at = loads.finished_at
),

-- An outage is a run of periods that were not served in time.
runs as (
    select
        *,
        delivery_state_code in ('late', 'missing') as is_out,
        row_number()
            over (
                partition by region_code, source_code, entity_code order by period_start
            )
        - row_number() over (
            partition by
                region_code, source_code, entity_code, delivery_state_code in ('late', 'missing')
            order by period_start
        ) as run_number
    from judged
)

select
    supplies.region_code,
    supplies.source_code,
    supplies.entity_code,
    supplies.supplier_name,
    supplies.subject_name,
    supplies.period,
    supplies.grace_hours,
    supplies.clause,
    supplies.expected_since is not null as is_connected,
    runs.period_start,
    runs.due_at,
    runs.delivered_at,
    runs.load_id,
    runs.delivery_state_code,
    extract(epoch from coalesce(runs.delivered_at, runs.as_of) - runs.due_at) / 86400
        as days_over_term,
    case
        when runs.is_out
            then runs.period_start = min(runs.period_start) over outage
    end as is_outage_start,
    case
        when runs.is_out
            then sum(runs.period_end - runs.period_start) over outage
    end as outage_days,
    supplies.as_of_date
from supplies
left join runs
    on
        supplies.region_code = runs.region_code
        and supplies.source_code = runs.source_code
        and supplies.entity_code = runs.entity_code
        and supplies.valid_from = runs.valid_from
window outage as (
    partition by
        runs.region_code, runs.source_code, runs.entity_code, runs.is_out, runs.run_number
)
