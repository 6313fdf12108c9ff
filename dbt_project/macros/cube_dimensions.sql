{#- The dimensions of `agg_appeals_cube` besides region and day, in the order in which pairs name them. -#}
{% macro cube_dimensions() -%}
    {{ return([
        'block_code', 'topic_group', 'topic_code', 'body_code', 'body_kind_code',
        'municipality_code', 'channel_code', 'source_code', 'regime_code', 'case_state_code', 'applicant_class_code'
    ]) }}
{%- endmacro %}
