{#- A quarter of a region, as one value: what satisfaction is compared within is made anew by it. -#}
{% macro quarter_key(months) -%}
    concat_ws(' ', {{ months }}.region_code, date_trunc('quarter', {{ months }}.month_date)::date)
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

{#- Quarters of regions of which a source asks for ratings now and did not, or no longer does. -#}
{% macro quarters_of_moved_asking() -%}
    select stored.quarter_key
    from {{ this }} as stored
    inner join ({{ asking_sources() }}) as asking on stored.region_code = asking.region_code
    where
        stored.cut_code = 'region'
        and stored.asking_sources <> array_to_string(asking.asking_sources, ' ')
{%- endmacro %}
