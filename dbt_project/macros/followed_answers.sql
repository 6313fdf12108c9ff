{#- Whom the repeat rate is told of (DOMAIN 5.4, docs/decisions.md, "What repeats what"): one definition for
    every mart that publishes it. Copies (int_repeated_texts) are left out by the reader. -#}

{#- Who wrote and about what has to be known for a repeat to be seen. -#}
{% macro is_matchable(cases) -%}
    ({{ cases }}.applicant_key is not null and {{ cases }}.topic_code is not null)
{%- endmacro %}

{#- An answer can only be said to have held when it is of an age. -#}
{% macro is_observed(cases, as_of, age='90 days') -%}
    coalesce({{ cases }}.first_answered_at <= {{ as_of }} - interval '{{ age }}', false)
{%- endmacro %}
