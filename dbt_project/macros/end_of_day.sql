{#- The last moment of a local day: a day-precise deadline is kept until then. -#}
{% macro end_of_day(local_date, time_zone) -%}
    (({{ local_date }} + 1)::timestamp at time zone {{ time_zone }} - interval '1 microsecond')
{%- endmacro %}
