{{ config(
    indexes=[
        {'columns': ['signal_key'], 'unique': true},
        {'columns': ['region_code', 'opened_date']},
        {'columns': ['region_code', 'block_code']},
    ]
) }}
with appeals as (
    select * from {{ ref('fct_appeals') }}
    where not is_deleted and received_date is not null and is_received
),

daily_messages as (
    select * from {{ ref('kept_daily_messages') }}
),

source_days as (
    select * from {{ ref('int_source_days') }}
),

decisions as (
    select * from {{ ref('int_signal_decisions') }}
),

regions as (
    select * from {{ ref('dim_regions') }}
),

blocks as (
    select * from {{ ref('dim_blocks') }}
),

municipalities as (
    select * from {{ ref('dim_municipalities') }}
),

module_labels as (
    select
        region_code,
        module_label
    from {{ ref('dim_region_modules') }}
    where module_code = 'risk_daily'
),

daily as (
    select daily_messages.*
    from daily_messages
    inner join regions on daily_messages.region_code = regions.region_code
    -- The day of the report is not over yet.
    where daily_messages.day < (regions.as_of at time zone regions.time_zone)::date
),

-- Only a day of five can raise an alert: the other series need no baseline.
watched as (
    select
        region_code,
        block_code,
        municipality_key,
        source_code,
        min(day) as first_day
    from daily
    where messages >= 5
    group by region_code, block_code, municipality_key, source_code
),

days as (
    select
        watched.region_code,
        watched.block_code,
        watched.municipality_key,
        watched.source_code,
        series.day::date as day,
        series.day::date >= watched.first_day as is_judged,
        coalesce(daily.messages, 0) as messages,
        coalesce(source_days.covered_days @> series.day::date, false) as is_covered
    from watched
    inner join regions on watched.region_code = regions.region_code
    cross join
        lateral generate_series(
            (watched.first_day - 56)::timestamp,
            ((regions.as_of at time zone regions.time_zone)::date - 1)::timestamp,
            interval '1 day'
        ) as series (day)
    left join source_days
        on
            watched.region_code = source_days.region_code
            and watched.source_code = source_days.source_code
    left join daily
        on
            watched.region_code = daily.region_code
            and watched.block_code = daily.block_code
            and watched.municipality_key = daily.municipality_key
            and watched.source_code = daily.source_code
            and series.day::date = daily.day
),

-- The same weekday of the last eight weeks, without the days that are missing.
compared as (
    select
        *,
        array_remove(
            array[
                {%- for week in range(1, 9) %}
                    lag(case when is_covered then messages end, {{ 7 * week }}) over series
                    {%- if not loop.last %},{% endif %}
                {%- endfor %}
            ],
            null
        ) as like_days
    from days
    window series as (
        partition by region_code, block_code, municipality_key, source_code order by day
    )
),

baselines as (
    select
        compared.*,
        middles.baseline,
        greatest(
            1.4826 * deviations.deviation, sqrt(middles.baseline), 1
        ) as spread
    from compared
    cross join
        lateral (
            select percentile_cont(0.5) within group (order by value)::numeric as baseline
            from unnest(compared.like_days) as values_of_days (value)
        ) as middles
    cross join
        lateral (
            select
                percentile_cont(0.5) within group (order by abs(value - middles.baseline))::numeric
                    as deviation
            from unnest(compared.like_days) as values_of_days (value)
        ) as deviations
    where compared.is_judged
),

judged as (
    select
        *,
        messages >= 5 and messages >= baseline + 3 * spread as is_alert,
        messages >= 5 and messages >= baseline + 6 * spread as is_critical,
        messages < baseline + spread as is_low,
        -- The day before that is not missing.
        lag(messages < baseline + spread) over (
            partition by region_code, block_code, municipality_key, source_code order by day
        ) as is_low_before
    from baselines
    where is_covered and cardinality(like_days) >= 4
),

-- Two low days running close what was open. Alerts with the same number of closings before them are
-- one signal.
numbered as (
    select
        *,
        is_low and coalesce(is_low_before, false) as is_closing,
        count(*) filter (where is_low and is_low_before) over (
            partition by region_code, block_code, municipality_key, source_code order by day
        ) as closings
    from judged
),

alerts as (
    select * from numbered
    where is_alert
),

closings as (
    select
        region_code,
        block_code,
        municipality_key,
        source_code,
        closings,
        day as closed_date
    from numbered
    where is_closing
),

opened as (
    select
        region_code,
        block_code,
        municipality_key,
        source_code,
        closings,
        min(day) as opened_date,
        max(day) as last_alert_date,
        count(*)::int as alert_days,
        max(messages) as peak_messages,
        bool_or(is_critical) as is_critical,
        (array_agg(messages order by day))[1] as messages,
        (array_agg(baseline order by day))[1] as baseline,
        (array_agg(spread order by day))[1] as spread,
        (array_agg(cardinality(like_days) order by day))[1] as comparable_days
    from alerts
    group by region_code, block_code, municipality_key, source_code, closings
),

signals as (
    select
        opened.region_code,
        opened.block_code,
        opened.municipality_key,
        opened.source_code,
        opened.opened_date,
        opened.last_alert_date,
        closings.closed_date,
        opened.alert_days,
        opened.messages,
        opened.baseline,
        opened.spread,
        opened.comparable_days,
        opened.peak_messages,
        case when opened.is_critical then 'критический' else 'тревога' end as signal_level,
        case when closings.closed_date is null then 'открыт' else 'закрыт' end as signal_state,
        null::text as not_computed_reason
    from opened
    left join closings
        on
            opened.region_code = closings.region_code
            and opened.block_code = closings.block_code
            and opened.municipality_key = closings.municipality_key
            and opened.source_code = closings.source_code
            and opened.closings + 1 = closings.closings
    union all
    -- A day of five that cannot be judged is shown, not passed over.
    select
        region_code,
        block_code,
        municipality_key,
        source_code,
        day as opened_date,
        day as last_alert_date,
        null as closed_date,
        0 as alert_days,
        messages,
        null as baseline,
        null as spread,
        cardinality(like_days) as comparable_days,
        messages as peak_messages,
        null as signal_level,
        'приостановлен' as signal_state,
        case
            when not is_covered then 'перерыв в данных источника'
            else 'меньше четырёх сравнимых дней'
        end as not_computed_reason
    from baselines
    where messages >= 5 and (not is_covered or cardinality(like_days) < 4)
),

-- The days whose cases a signal is made of.
signal_days as (
    select
        alerts.region_code,
        alerts.block_code,
        alerts.municipality_key,
        alerts.source_code,
        opened.opened_date,
        alerts.day
    from alerts
    inner join opened
        on
            alerts.region_code = opened.region_code
            and alerts.block_code = opened.block_code
            and alerts.municipality_key = opened.municipality_key
            and alerts.source_code = opened.source_code
            and alerts.closings = opened.closings
    union all
    select
        region_code,
        block_code,
        municipality_key,
        source_code,
        opened_date,
        opened_date as day
    from signals
    where signal_state = 'приостановлен'
),

signal_cases as (
    select
        signal_days.region_code,
        signal_days.block_code,
        signal_days.municipality_key,
        signal_days.source_code,
        signal_days.opened_date,
        appeals.case_id,
        appeals.topic_code,
        appeals.topic_title,
        appeals.received_at
    from signal_days
    inner join appeals
        on
            signal_days.region_code = appeals.region_code
            and signal_days.block_code = appeals.block_code
            and signal_days.municipality_key = coalesce(appeals.municipality_code, '-')
            and signal_days.source_code = appeals.source_code
            and signal_days.day = appeals.received_date
),

clusters as (
    select distinct on (region_code, block_code, municipality_key, source_code, opened_date)
        region_code,
        block_code,
        municipality_key,
        source_code,
        opened_date,
        topic_code,
        max(topic_title) as topic_title,
        count(*)::int as cases,
        (array_agg(case_id order by received_at, case_id))[1:3] as example_case_ids
    from signal_cases
    group by region_code, block_code, municipality_key, source_code, opened_date, topic_code
    order by
        region_code asc,
        block_code asc,
        municipality_key asc,
        source_code asc,
        opened_date asc,
        count(*) desc,
        topic_code asc nulls last
),

members as (
    select
        region_code,
        block_code,
        municipality_key,
        source_code,
        opened_date,
        array_agg(case_id order by case_id) as case_ids
    from signal_cases
    group by region_code, block_code, municipality_key, source_code, opened_date
),

-- A decision stays with the signal that was open on the day that its key names, the last one stands.
matched as (
    select distinct on (
        signals.region_code, signals.block_code, signals.municipality_key, signals.source_code,
        signals.opened_date
    )
        signals.region_code,
        signals.block_code,
        signals.municipality_key,
        signals.source_code,
        signals.opened_date,
        decisions.decision_id,
        decisions.proposal,
        decisions.decision,
        decisions.decided_at
    from signals
    inner join decisions
        on
            signals.region_code = decisions.region_code
            and signals.block_code = decisions.block_code
            and signals.municipality_key = decisions.municipality_key
            and signals.source_code = decisions.source_code
            and signals.opened_date <= decisions.opened_date
            and decisions.opened_date <= coalesce(
                signals.closed_date,
                case
                    when signals.signal_state = 'приостановлен' then signals.opened_date
                    else decisions.opened_date
                end
            )
    order by
        signals.region_code asc,
        signals.block_code asc,
        signals.municipality_key asc,
        signals.source_code asc,
        signals.opened_date asc,
        decisions.decided_at desc,
        decisions.decision_id asc
),

rows_of_signals as (
    select
        signals.*,
        matched.proposal,
        matched.decision,
        matched.decided_at,
        clusters.topic_title as cluster_topic_title,
        clusters.cases as cluster_cases,
        coalesce(clusters.example_case_ids, '{}') as example_case_ids,
        coalesce(members.case_ids, '{}') as case_ids
    from signals
    left join matched
        on
            signals.region_code = matched.region_code
            and signals.block_code = matched.block_code
            and signals.municipality_key = matched.municipality_key
            and signals.source_code = matched.source_code
            and signals.opened_date = matched.opened_date
    left join clusters
        on
            signals.region_code = clusters.region_code
            and signals.block_code = clusters.block_code
            and signals.municipality_key = clusters.municipality_key
            and signals.source_code = clusters.source_code
            and signals.opened_date = clusters.opened_date
    left join members
        on
            signals.region_code = members.region_code
            and signals.block_code = members.block_code
            and signals.municipality_key = members.municipality_key
            and signals.source_code = members.source_code
            and signals.opened_date = members.opened_date
),

-- Somebody decided about a signal that later data took away: the decision is not lost with it.
withdrawn as (
    select distinct on (
        decisions.region_code, decisions.block_code, decisions.municipality_key,
        decisions.source_code, decisions.opened_date
    )
        decisions.region_code,
        decisions.block_code,
        decisions.municipality_key,
        decisions.source_code,
        decisions.opened_date,
        decisions.opened_date as last_alert_date,
        null::date as closed_date,
        0 as alert_days,
        null::int as messages,
        null::numeric as baseline,
        null::numeric as spread,
        null::int as comparable_days,
        null::int as peak_messages,
        null::text as signal_level,
        'снят пересчётом' as signal_state,
        'по нынешним данным порог не превышен' as not_computed_reason,
        decisions.proposal,
        decisions.decision,
        decisions.decided_at,
        null::text as cluster_topic_title,
        null::int as cluster_cases,
        '{}'::uuid[] as example_case_ids,
        '{}'::uuid[] as case_ids
    from decisions
    inner join blocks on decisions.block_code = blocks.block_code
    where
        not exists (
            select 1
            from signals
            where
                signals.region_code = decisions.region_code
                and signals.block_code = decisions.block_code
                and signals.municipality_key = decisions.municipality_key
                and signals.source_code = decisions.source_code
                and decisions.opened_date >= signals.opened_date
                and decisions.opened_date <= coalesce(
                    signals.closed_date,
                    case
                        when signals.signal_state = 'приостановлен' then signals.opened_date
                        else decisions.opened_date
                    end
                )
        )
    order by
        decisions.region_code asc,
        decisions.block_code asc,
        decisions.municipality_key asc,
        decisions.source_code asc,
        decisions.opened_date asc,
        decisions.decided_at desc,
        decisions.decision_id asc
),

every_row as (
    select * from rows_of_signals
    union all
    select * from withdrawn
)

select
    concat_ws(
        '/',
        every_row.region_code,
        every_row.block_code,
        every_row.municipality_key,
        every_row.source_code,
        every_row.opened_date::text
    ) as signal_key,
    every_row.region_code,
    regions.region_name,
    every_row.block_code,
    blocks.block_name,
    nullif(every_row.municipality_key, '-') as municipality_code,
    coalesce(municipalities.municipality_name, 'Не определено') as municipality_name,
    every_row.source_code,
    every_row.opened_date,
    every_row.last_alert_date,
    every_row.closed_date,
    every_row.alert_days,
    every_row.messages,
    every_row.baseline::numeric(12, 1) as baseline,
    every_row.spread::numeric(12, 4) as spread,
    every_row.comparable_days,
    every_row.peak_messages,
    every_row.signal_level,
    every_row.signal_state,
    every_row.not_computed_reason,
    every_row.cluster_topic_title,
    every_row.cluster_cases,
    every_row.example_case_ids,
    every_row.proposal,
    every_row.decision,
    every_row.decided_at,
    every_row.case_ids,
    coalesce(module_labels.module_label, 'вне положения') as module_label,
    regions.as_of,
    '{{ var("metric_version") }}' as metric_version,
    '{{ config_version() }}' as config_version
from every_row
inner join regions on every_row.region_code = regions.region_code
inner join blocks on every_row.block_code = blocks.block_code
left join municipalities
    on
        every_row.region_code = municipalities.region_code
        and every_row.municipality_key = municipalities.municipality_code
left join module_labels on every_row.region_code = module_labels.region_code
