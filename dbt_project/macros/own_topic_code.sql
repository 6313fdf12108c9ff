{#- The code of a topic that is in no catalogue: one a label and source. -#}
{% macro own_topic_code(source_code, topic_key) -%}
    {{ source_code }} || '_' || left(md5({{ topic_key }}), 12)
{%- endmacro %}
