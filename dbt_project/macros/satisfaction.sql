{#- A quarter of a region, or of a block in it (`-`: of none), as one value: what is told of it and of its
    months is made anew by it. -#}
{% macro quarter_key(months, block) -%}
    concat_ws(
        ' ', {{ months }}.region_code, {{ block }},
        date_trunc('quarter', {{ months }}.month_date)::date
    )
{%- endmacro %}

{#- The same of a row of int_case_months; null where the case had its last answer in another month. -#}
{% macro answered_quarter_key(months, block) -%}
    case when {{ months }}.answered_date is not null then {{ quarter_key(months, block) }} end
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

{#- Quarters of the regions whose blocks have changed, and all of a region in which a source asks for
    ratings now and did not, or no longer does. -#}
{% macro quarters_of_regions() -%}
    select {{ quarter_key('months', "'-'") }} as quarter_key
    from {{ ref('int_case_months') }} as months
    where months.answered_date is not null and months.found_at > {{ seen_at() }}
    union
    select stored.quarter_key
    from {{ this }} as stored
    inner join ({{ asking_sources() }}) as asking on stored.region_code = asking.region_code
    where
        stored.cut_code in ('region', 'block')
        and stored.asking_sources <> array_to_string(asking.asking_sources, ' ')
{%- endmacro %}
