{#- A rule of a seed holds from `valid_from` on, and until the day before `valid_to` where that is told. -#}
{% macro in_force(rule, day) -%}
    {{ rule }}.valid_from <= {{ day }}
    and ({{ rule }}.valid_to is null or {{ rule }}.valid_to > {{ day }})
{%- endmacro %}
