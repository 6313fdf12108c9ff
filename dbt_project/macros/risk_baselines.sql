{#- How many messages days of series had, and what is usual there on the same weekday of the eight weeks
    before, without the days that are missing. `days`: a step with series_no and day. A day is judged
    where it is not missing itself and has at least four to compare with. -#}
{% macro risk_baselines(days) -%}
    select
        compared.series_no,
        compared.day,
        compared.messages,
        compared.is_covered,
        compared.like_days,
        compared.is_covered and cardinality(compared.like_days) >= 4 as is_judged,
        middles.baseline,
        greatest(
            1.4826 * deviations.deviation, sqrt(middles.baseline), 1
        ) as spread
    from (
        select
            asked.series_no,
            asked.day,
            coalesce(max(days.messages) filter (where weeks.week = 0), 0) as messages,
            bool_or(watched.covered_days @> asked.day) as is_covered,
            array_remove(
                array_agg(
                    case
                        when weeks.week > 0 and watched.covered_days @> (asked.day - 7 * weeks.week)
                            then coalesce(days.messages, 0)
                    end
                ),
                null
            ) as like_days
        from {{ days }} as asked
        inner join watched on asked.series_no = watched.series_no
        cross join generate_series(0, 8) as weeks (week)
        left join days
            on
                asked.series_no = days.series_no
                and asked.day - 7 * weeks.week = days.day
        group by asked.series_no, asked.day
    ) as compared
    cross join
        lateral (
            select percentile_cont(0.5) within group (order by value)::numeric as baseline
            from unnest(compared.like_days) as values_of_days (value)
        ) as middles
    cross join
        lateral (
            select percentile_cont(0.5) within group (order by abs(value - middles.baseline))::numeric
                as deviation
            from unnest(compared.like_days) as values_of_days (value)
        ) as deviations
{%- endmacro %}

{#- The day that closes an alert: the second of two low days running, of those that are judged. `days`: a
    step with series_no, alert_date and the days after it up to the next alert. -#}
{% macro risk_closings(days) -%}
    select
        lows.series_no,
        lows.alert_date,
        min(lows.day) as closed_date
    from (
        select
            followed.series_no,
            followed.alert_date,
            followed.day,
            judged.messages < judged.baseline + judged.spread as is_low,
            lag(judged.messages < judged.baseline + judged.spread) over (
                partition by followed.series_no, followed.alert_date order by followed.day
            ) as is_low_before
        from {{ days }} as followed
        inner join ({{ risk_baselines(days) }}) as judged
            on followed.series_no = judged.series_no and followed.day = judged.day
        where judged.is_judged
    ) as lows
    where lows.is_low and lows.is_low_before
    group by lows.series_no, lows.alert_date
{%- endmacro %}
