{#- One spelling of a name that people type: lower case, ё as е, without quotation marks, stars,
    doubled blanks. For matching only, never for showing. -#}
{% macro match_key(column) -%}
    nullif(
        btrim(regexp_replace(translate(lower({{ column }}), 'ё«»"„“”''★', 'е'), '\s+', ' ', 'g')), ''
    )
{%- endmacro %}

{#- Every spelling in these columns once, with its key: the same names come again and again, and a key
    costs more than a look-up. -#}
{% macro spelling_keys(relation, columns) -%}
    select
            spelling,
            {{ match_key('spelling') }} as spelling_key
        from (
            select distinct told.spelling
            from {{ relation }}
            cross join lateral (values ({{ columns | join('), (') }})) as told (spelling)
            where told.spelling is not null
        ) as spellings
{%- endmacro %}
