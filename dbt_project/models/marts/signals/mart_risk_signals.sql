{{ config(
    indexes=[
        {'columns': ['signal_key'], 'unique': true},
        {'columns': ['region_code', 'opened_date']},
        {'columns': ['region_code', 'block_code']},
    ]
) }}
with daily_messages as (
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

-- Not materialized: only what belongs to few series is read a second time.
daily as not materialized (
    select daily_messages.*
    from daily_messages
    inner join regions on daily_messages.region_code = regions.region_code
    -- The day of the report is not over yet.
    where daily_messages.day < (regions.as_of at time zone regions.time_zone)::date
),

-- Only a day of five can raise an alert: the other series need no baseline.
watched as (
    select
        row_number() over () as series_no,
        series.region_code,
        series.block_code,
        series.municipality_key,
        series.source_code,
        coalesce(source_days.covered_days, '{}') as covered_days,
        (regions.as_of at time zone regions.time_zone)::date - 1 as last_day
    from (
        select distinct
            region_code,
            block_code,
            municipality_key,
            source_code
        from daily
        where messages >= 5
    ) as series
    inner join regions on series.region_code = regions.region_code
    left join source_days
        on
            series.region_code = source_days.region_code
            and series.source_code = source_days.source_code
),

days as (
    select
        watched.series_no,
        daily.day,
        daily.messages,
        daily.case_ids
    from daily
    inner join watched
        on
            daily.region_code = watched.region_code
            and daily.block_code = watched.block_code
            and daily.municipality_key = watched.municipality_key
            and daily.source_code = watched.source_code
),

days_of_five as (
    select
        series_no,
        day
    from days
    where messages >= 5
),

baselines as (
    {{ risk_baselines('days_of_five') }}
),

alerts as (
    select
        *,
        messages >= baseline + 6 * spread as is_critical,
        lead(day) over (partition by series_no order by day) as next_alert_date
    from baselines
    where is_judged and messages >= baseline + 3 * spread
),

-- Two low days running close what was open, mostly within a week: a day of an alert is not low, so
-- nothing before it matters, and nothing after the next one. The day before is one that is not missing.
near_days as (
    select
        alerts.series_no,
        alerts.day as alert_date,
        series.day::date as day
    from alerts
    inner join watched on alerts.series_no = watched.series_no
    cross join
        lateral generate_series(
            (alerts.day + 1)::timestamp,
            least(alerts.next_alert_date - 1, watched.last_day, alerts.day + 7)::timestamp,
            interval '1 day'
        ) as series (day)
),

near_closings as (
    {{ risk_closings('near_days') }}
),

unclosed as (
    select
        alerts.series_no,
        alerts.day
    from alerts
    left join near_closings
        on alerts.series_no = near_closings.series_no and alerts.day = near_closings.alert_date
    where near_closings.series_no is null
),

far_days as (
    select
        alerts.series_no,
        alerts.day as alert_date,
        series.day::date as day
    from alerts
    inner join watched on alerts.series_no = watched.series_no
    inner join unclosed on alerts.series_no = unclosed.series_no and alerts.day = unclosed.day
    cross join
        lateral generate_series(
            (alerts.day + 1)::timestamp,
            least(alerts.next_alert_date - 1, watched.last_day)::timestamp,
            interval '1 day'
        ) as series (day)
),

far_closings as (
    {{ risk_closings('far_days') }}
),

-- Alerts with the same number of closings before them are one signal.
numbered as (
    select
        alerts.*,
        coalesce(near_closings.closed_date, far_closings.closed_date) as closed_date,
        count(coalesce(near_closings.closed_date, far_closings.closed_date)) over (
            partition by alerts.series_no order by alerts.day
            rows between unbounded preceding and 1 preceding
        ) as closings
    from alerts
    left join near_closings
        on alerts.series_no = near_closings.series_no and alerts.day = near_closings.alert_date
    left join far_closings
        on alerts.series_no = far_closings.series_no and alerts.day = far_closings.alert_date
),

opened as (
    select
        series_no,
        closings,
        min(day) as opened_date,
        max(day) as last_alert_date,
        max(closed_date) as closed_date,
        count(*)::int as alert_days,
        max(messages) as peak_messages,
        bool_or(is_critical) as is_critical,
        (array_agg(messages order by day))[1] as messages,
        (array_agg(baseline order by day))[1] as baseline,
        (array_agg(spread order by day))[1] as spread,
        (array_agg(cardinality(like_days) order by day))[1] as comparable_days
    from numbered
    group by series_no, closings
),

signals_of_series as (
    select
        opened.series_no,
        opened.opened_date,
        opened.last_alert_date,
        opened.closed_date,
        opened.alert_days,
        opened.messages,
        opened.baseline,
        opened.spread,
        opened.comparable_days,
        opened.peak_messages,
        case when opened.is_critical then 'критический' else 'тревога' end as signal_level,
        case when opened.closed_date is null then 'открыт' else 'закрыт' end as signal_state,
        null::text as not_computed_reason
    from opened
    union all
    -- A day of five that cannot be judged is shown, not passed over.
    select
        series_no,
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
    where not is_judged
),

signals as (
    select
        watched.region_code,
        watched.block_code,
        watched.municipality_key,
        watched.source_code,
        signals_of_series.opened_date,
        signals_of_series.last_alert_date,
        signals_of_series.closed_date,
        signals_of_series.alert_days,
        signals_of_series.messages,
        signals_of_series.baseline,
        signals_of_series.spread,
        signals_of_series.comparable_days,
        signals_of_series.peak_messages,
        signals_of_series.signal_level,
        signals_of_series.signal_state,
        signals_of_series.not_computed_reason
    from signals_of_series
    inner join watched on signals_of_series.series_no = watched.series_no
),

-- The days whose cases a signal is made of.
signal_days as (
    select
        numbered.series_no,
        opened.opened_date,
        numbered.day
    from numbered
    inner join opened
        on
            numbered.series_no = opened.series_no
            and numbered.closings = opened.closings
    union all
    select
        series_no,
        opened_date,
        opened_date as day
    from signals_of_series
    where signal_state = 'приостановлен'
),

signal_members as (
    select
        signal_days.series_no,
        signal_days.opened_date,
        member.case_id
    from signal_days
    inner join days
        on signal_days.series_no = days.series_no and signal_days.day = days.day
    cross join lateral unnest(days.case_ids) as member (case_id)
),

appeals as (
    select
        case_id,
        topic_code,
        topic_title,
        received_at
    from {{ ref('fct_appeals') }}
    where case_id = any(array(select signal_members.case_id from signal_members))
),

signal_cases as (
    select
        watched.region_code,
        watched.block_code,
        watched.municipality_key,
        watched.source_code,
        signal_members.opened_date,
        appeals.case_id,
        appeals.topic_code,
        appeals.topic_title,
        appeals.received_at
    from signal_members
    inner join watched on signal_members.series_no = watched.series_no
    inner join appeals on signal_members.case_id = appeals.case_id
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
