{#- Codes of what a person wrote into a register: block, place, body. They join the CTEs
    `block_labels`, `municipality_names` and `body_names` to the rows of `register`, and never
    multiply them: each list has one row a spelling. -#}
{% macro join_block(register) -%}
    left join block_labels
        on
            {{ register }}.region_code = block_labels.region_code
            and {{ match_key(register ~ '.block_label') }} = block_labels.label_key
{%- endmacro %}
{% macro join_municipality(register) -%}
    left join municipality_names
        on
            {{ register }}.region_code = municipality_names.region_code
            and {{ match_key(register ~ '.municipality_label') }} = municipality_names.municipality_key
{%- endmacro %}
{% macro join_body(register) -%}
    left join body_names
        on
            {{ register }}.region_code = body_names.region_code
            and {{ match_key(register ~ '.body_label') }} = body_names.body_key
{%- endmacro %}

{#- The row of `register_values` for a code in a register's field, joined as `alias`. -#}
{% macro join_value(alias, code, register, field) -%}
    left join register_values as {{ alias }}
        on
            {{ alias }}.register_code = '{{ register }}'
            and {{ alias }}.field = '{{ field }}'
            and {{ code }} = {{ alias }}.value_code
{%- endmacro %}
