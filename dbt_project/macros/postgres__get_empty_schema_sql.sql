{#- What a contract promises, as a query without rows. dbt's own warns of `numeric` without precision,
    which other databases round; in PostgreSQL it keeps every digit. -#}
{% macro postgres__get_empty_schema_sql(columns) -%}
    {%- set untyped = [] -%}
    select
    {%- for name in columns %}
        {%- set column = columns[name] -%}
        {%- if column.data_type is not defined -%}{%- do untyped.append(column.name) -%}{%- endif %}
        {{ cast('null', column.data_type) }}
        as {{ adapter.quote(column.name) if column.quote else column.name }}
        {{- "," if not loop.last }}
    {%- endfor %}
    {%- if untyped %}{{ exceptions.column_type_missing(column_names=untyped) }}{% endif -%}
{%- endmacro %}
