{#- The least count that may be shown to those who see aggregates only (DOMAIN 4). -#}
{% macro least_count() -%}5{%- endmacro %}

{#- True where a count must not be shown beside the total of its group: it is below the least count;
    or others of the group are, and what is missing from the total would tell one of them or a sum
    below the least count. Then the next smallest are hidden too, until two are and their sum is
    large enough. `key` settles the order of equal counts. -#}
{% macro is_suppressed(count, within, key) -%}
    (
        {{ count }} < {{ least_count() }}
        or (
            min({{ count }}) over (partition by {{ within }}) < {{ least_count() }}
            and (
                row_number() over (partition by {{ within }} order by {{ count }}, {{ key }}) = 2
                or coalesce(
                    sum({{ count }}) over (
                        partition by {{ within }} order by {{ count }}, {{ key }}
                        rows between unbounded preceding and 1 preceding
                    ), 0
                ) < {{ least_count() }}
            )
        )
    )
{%- endmacro %}
