{#- A month or a quarter of a region, or of a block in it (`-`: of none), as one value: what is told of it
    is made anew by it. -#}
{% macro period_key(periods, block) -%}
    concat_ws(
        ' ', {{ periods }}.region_code, {{ block }}, {{ periods }}.period_kind, {{ periods }}.period_start
    )
{%- endmacro %}

{#- A condition: what a month counts belongs to such a period that is made anew. By its parts: as one value
    it would be put together for each row. `kind`: an expression. -#}
{% macro is_redone_period(months, block, kind) -%}
    {%- if is_by_change() -%}
    (
        {{ months }}.region_code, {{ block }}, {{ kind }},
        date_trunc({{ kind }}, {{ months }}.month_date::timestamp)::date
    ) in (
        select
            redo.region_code,
            redo.block_code,
            redo.period_kind,
            redo.period_start
        from {{ to_redo() }} as redo
    )
    {%- else -%}
    true
    {%- endif -%}
{%- endmacro %}

{#- The sources of each region that ever told a rating. -#}
{% macro asking_sources() -%}
    select
        region_code,
        coalesce(
            array_agg(distinct source_code order by source_code) filter (where rated_cases > 0),
            '{}'
        ) as asking_sources
    from {{ ref('kept_satisfaction_counts') }}
    where part_code = 'block'
    group by region_code
{%- endmacro %}

{#- Months and quarters of the blocks in which a last answer is or was, and of their regions; and all of a
    region in which a source asks for ratings now and did not, or no longer does. -#}
{% macro answered_periods() -%}
    (
    with months as (
        select distinct
            region_code,
            block_code,
            month_date
        from {{ ref('int_case_months') }}
        where has_last_answer and found_at > {{ seen_at() }}
    )

    select
        periods.*,
        {{ period_key('periods', 'periods.block_code') }} as period_key
    from (
        select
            months.region_code,
            blocks.block_code,
            kinds.period_kind,
            date_trunc(kinds.period_kind, months.month_date::timestamp)::date as period_start
        from months
        cross join (values ('month'), ('quarter')) as kinds (period_kind)
        cross join lateral (values (months.block_code), ('-')) as blocks (block_code)
    ) as periods
    union
    select
        stored.region_code,
        coalesce(stored.block_code, '-') as block_code,
        stored.period_kind,
        stored.period_start,
        stored.period_key
    from {{ this }} as stored
    inner join ({{ asking_sources() }}) as asking on stored.region_code = asking.region_code
    where
        stored.cut_code in ('region', 'block')
        and stored.asking_sources <> array_to_string(asking.asking_sources, ' ')
    )
{%- endmacro %}
