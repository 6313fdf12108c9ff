{#- In mart_block_workload: the cases that a step is counted of in the week of a block, each as often as
    the week counts it. -#}
{% macro cases_of_week(step) -%}
    coalesce(
        (
            select array_agg(days.case_id order by days.case_id)
            from case_days as days
            cross join lateral generate_series(1, days.{{ step }})
            where
                days.region_code = workload.region_code
                and days.block_code = workload.block_code
                and days.activity_date between workload.week_start and workload.week_start + 6
                and days.{{ step }} > 0
        ),
        array[]::uuid[]
    )
{%- endmacro %}
