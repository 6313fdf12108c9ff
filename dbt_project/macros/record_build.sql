{#- Puts on record what `raw` knew when a run began that builds models: a publication of one of them
    is computed again from just that. -#}
{% macro record_build() -%}
    {%- if execute and flags.WHICH in ('build', 'run') and not flags.EMPTY -%}
        {%- set names = [] -%}
        {%- for resource in selected_resources if resource.startswith('model.') -%}
            {%- do names.append("'" ~ resource.split('.')[2] ~ "'") -%}
        {%- endfor -%}
        {%- if names %}
{{ record_lineage() }};
insert into audit.builds (invocation_id, known, models)
values (
    '{{ invocation_id }}',
    -- The register of bodies decides whose every case is: with another one all is built anew.
    audit.knowledge() || jsonb_build_object('bodies', (
        select md5(string_agg(newest::text, '|' order by newest.record_key))
        from (
            select distinct on (record_key)
                record_key,
                record,
                is_deleted
            from raw.bodies
            order by record_key asc, raw_id desc
        ) as newest
    ), 'withdrawn_loads', (
        select coalesce(range_agg(int8range(load_id, load_id + 1)), '{}')
        from ops.loads
        where withdrawn_at is not null
    )),
    array[{{ names | sort | join(', ') }}]
)
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}
