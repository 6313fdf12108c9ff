{#- Row-level security of a mart that officials read: an official sees the rows of his blocks, a
    region's official all rows of the region; rows without a block are the region's. A row of no
    region is seen by those who see everything. Who sees what stands in `access.official_blocks`.
    A build makes tables anew, so this is a post-hook; on a table that stays it does nothing. A view
    over kept rows that officials read asks with their rights, and so under the policies of these. -#}
{% macro row_security() -%}
    {%- set readers = model.config.grants.get('select', []) -%}
    {%- if
        model.config.materialized in ('table', 'incremental')
        and 'tsur_official' in readers
        and model.config.meta.get('row_security', true)
    -%}
        {%- set columns = model.columns -%}
        {%- set blocks = ['block_code', 'main_block_code'] | select('in', columns) | list -%}
        {%- set policy = 'officials_by_' ~ (blocks | first | default('region_code')) -%}
do $$
begin
    if not exists (
        select from pg_policy where polrelid = '{{ this }}'::regclass and polname = '{{ policy }}'
    ) then
        alter table {{ this }} enable row level security;
        create policy {{ policy }} on {{ this }} for select to tsur_official
        using (
            (select access.sees_everything())
            {%- if 'region_code' in columns %}
            or region_code = any((select access.whole_regions())::text[])
            {%- if blocks %}
            or (region_code, {{ blocks | first }}) in (
                select own.region_code, own.block_code from access.own_blocks() as own
            )
            {%- endif %}
            {%- endif %}
        );
        create policy readers on {{ this }} for select
        to {{ readers | reject('equalto', 'tsur_official') | join(', ') }} using (true);
    end if;
end
$$
    {%- elif
        model.config.materialized == 'view'
        and 'tsur_official' in readers
        and '.kept_' in model.depends_on.nodes | join(' ')
    -%}
alter view {{ this }} set (security_invoker = true)
    {%- endif -%}
{%- endmacro %}
