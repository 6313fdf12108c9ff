{#- The version of the configuration that a row was computed with: a digest of all seeds, in
    hexadecimal. It is made when a model is compiled, so that nothing of it stays in what dbt remembers
    of an earlier reading. dbt hashes the content of a seed of up to 1 MB (a test watches over that).
    Unit tests have no graph; there it is the digest of nothing. -#}
{% macro config_version() -%}
    {%- if execute -%}
        {%- set seeds, nodes = [], graph.get('nodes', {}) -%}
        {%- for unique_id in nodes if unique_id.startswith('seed.') -%}
            {%- do seeds.append(nodes[unique_id].name ~ ' ' ~ nodes[unique_id].checksum.checksum) -%}
        {%- endfor -%}
        {{- local_md5(seeds | sort | join('\n'))[:12] -}}
    {%- endif -%}
{%- endmacro %}
