{#- Points for elapsed / allowed: 1 at a quarter of the norm or faster, 0.25 at the norm, 0 from 1.25
    times it (DOMAIN 5.2). Null stays null. -#}
{% macro speed_points(ratio) -%}
    case when {{ ratio }} is not null then least(greatest(1.25 - {{ ratio }}, 0), 1) end
{%- endmacro %}
