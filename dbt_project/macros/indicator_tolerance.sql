{#- By how much a declared value may differ from the computed one (DOMAIN 5.11): max(1 %, 1 unit). A unit
    is one of the indicator's own, so of a percentage one percentage point, and the 1 % begins to count
    where values are over 100. -#}
{% macro indicator_tolerance(value) -%}
    greatest(abs({{ value }}) * 0.01, 1)
{%- endmacro %}
