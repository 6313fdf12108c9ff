{#- The body of a recursive step: the distinct values of columns that an index begins with. It goes from
    value to value in the index, where `distinct` would read as many entries as there are rows.
    `step`: the step's own name. Rows without a value are left out. -#}
{% macro distinct_in_index(step, relation, columns) -%}
    {%- set listed = columns | join(', ') %}
    {%- set is_told = columns | join(' is not null and ') ~ ' is not null' %}
    (
        select {{ listed }} from {{ relation }}
        where {{ is_told }}
        order by {{ listed }}
        limit 1
    )
    union all
    select following.*
    from {{ step }}
    cross join lateral (
        select {{ listed }} from {{ relation }}
        where
            {{ is_told }}
            and ({{ listed }}) > ({{ step }}.{{ columns | join(', ' ~ step ~ '.') }})
        order by {{ listed }}
        limit 1
    ) as following
{%- endmacro %}
