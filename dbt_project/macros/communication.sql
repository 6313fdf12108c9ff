{#- A rule in a region in a month or a quarter, as one value: its precision is made anew by it. -#}
{% macro rule_key(period_kind) -%}
    concat_ws(
        ' ', region_code, rule_code, {{ period_kind }}, date_trunc({{ period_kind }}, month_date::timestamp)::date
    )
{%- endmacro %}

{#- The quarters of what has changed of the cases that rules point at, beside the months. -#}
{% macro rule_keys_of_quarters() -%}
    select {{ rule_key("'quarter'") }} as rule_key
    from {{ ref('kept_communication_cases') }}
    where found_at > {{ seen_at() }}
{%- endmacro %}
