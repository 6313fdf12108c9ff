{#- A body's cycles of a period, as one value: rows of the rating are made anew by it. -#}
{% macro cohort_key(cohort) -%}
    concat_ws(' ', {{ cohort }}.period_kind, {{ cohort }}.period_start, {{ cohort }}.body_code)
{%- endmacro %}
