{#- A month or a quarter of a region, or of a block in it (`-`: of none), as one value: what is told of it
    is made anew by it. `kind`: an expression. -#}
{% macro period_key(months, block, kind) -%}
    concat_ws(
        ' ', {{ months }}.region_code, {{ block }}, {{ kind }},
        date_trunc({{ kind }}, {{ months }}.month_date)::date
    )
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

    select {{ period_key('months', 'blocks.block_code', 'kinds.kind') }} as period_key
    from months
    cross join (values ('month'), ('quarter')) as kinds (kind)
    cross join lateral (values (months.block_code), ('-')) as blocks (block_code)
    union
    select stored.period_key
    from {{ this }} as stored
    inner join ({{ asking_sources() }}) as asking on stored.region_code = asking.region_code
    where
        stored.cut_code in ('region', 'block')
        and stored.asking_sources <> array_to_string(asking.asking_sources, ' ')
    )
{%- endmacro %}
