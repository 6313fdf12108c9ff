{#- One spelling of a name that people type: lower case, ё as е, without quotation marks, stars,
    doubled blanks. For matching only, never for showing. -#}
{% macro match_key(column) -%}
    nullif(
        btrim(regexp_replace(translate(lower({{ column }}), 'ё«»"„“”''★', 'е'), '\s+', ' ', 'g')), ''
    )
{%- endmacro %}
