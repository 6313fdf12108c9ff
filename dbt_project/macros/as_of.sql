{#- The moment up to which facts count in a region: the variable `as_of` for the region, then for
    `*`, then the region's own configuration, then the start of the run. A timestamptz. -#}
{% macro as_of(region_code, configured_as_of) -%}
    {%- set given = var('as_of', {}) or {} -%}
    coalesce(
    {%- for region in given if region != '*' %}
    case when {{ region_code }} = '{{ region }}' then timestamptz '{{ given[region] }}' end,
    {%- endfor %}
    {%- if '*' in given %}
    timestamptz '{{ given["*"] }}',
    {%- endif %}
    {{ configured_as_of }},
    timestamptz '{{ run_started_at }}'
)
{%- endmacro %}
