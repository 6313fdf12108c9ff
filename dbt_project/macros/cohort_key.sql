{#- A body's cycles of a period, as one value: rows of the rating are made anew by it. -#}
{% macro cohort_key(cohort) -%}
    concat_ws(' ', {{ cohort }}.period_kind, {{ cohort }}.period_start, {{ cohort }}.body_code)
{%- endmacro %}

{#- Quarters of bodies in which a cycle was answered, or was before it changed. -#}
{% macro answered_quarters() -%}
    select answer_key as cohort_key from {{ ref('int_rating_cohort') }}
    where answer_key is not null and found_at > {{ seen_at() }}
{%- endmacro %}
