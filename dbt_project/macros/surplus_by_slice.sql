{#- By how much cases exceed people in each slice: what is kept of applicants, a bucket of theirs a row,
    summed. For the views of the cube, of which neither may stand on the other: building one alone would
    drop the one above it. -#}
{% macro surplus_by_slice(kept) -%}
    {%- set slice = [
        'period_kind', 'period_start', 'region_code', 'dimension_a', 'value_a', 'dimension_b', 'value_b'
    ] | join(', ') -%}
    select
        {{ slice }},
        sum(surplus)::int as surplus
    from {{ kept }}
    group by {{ slice }}
{%- endmacro %}
