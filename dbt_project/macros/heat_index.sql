{#- How many times more problems a cell has than its share of the population would bring; five on each
    side keep small numbers calm (DOMAIN 5.6). Null without an expectation. -#}
{% macro heat_index(observed, expected) -%}
    ((coalesce({{ observed }}, 0) + 5) / ({{ expected }} + 5))
{%- endmacro %}
