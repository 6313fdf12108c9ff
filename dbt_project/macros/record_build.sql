{#- Puts on record what `raw` knew when a run began that builds models: a publication of one of them
    is computed again from just that. -#}
{% macro record_build() -%}
    {%- if execute and flags.WHICH in ('build', 'run') and not flags.EMPTY -%}
        {%- set names = [] -%}
        {%- for resource in selected_resources if resource.startswith('model.') -%}
            {%- do names.append("'" ~ resource.split('.')[2] ~ "'") -%}
        {%- endfor -%}
        {%- if names %}
insert into audit.builds (invocation_id, known, models)
values ('{{ invocation_id }}', audit.knowledge(), array[{{ names | sort | join(', ') }}])
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}
