{{ config(
    materialized='view',
    grants={'select': ['tsur_analyst', 'tsur_auditor']}
) }}
-- Distinct applicants of any slice of one or two dimensions, by day and by month. A view: a query names
-- its dimensions, and the planner reads the cube for these alone. People of two rows never add up.
-- The kept rows: with the moment of agg_appeals_cube each of the hundred slices would be joined, and a
-- view of a mart over another is gone when that one alone is built.
with cube as not materialized (
    select * from {{ ref('kept_appeals_cube') }}
),

surplus as (
    {{ surplus_by_slice(ref('kept_applicant_surplus')) }}
),

regions as (
    select * from {{ ref('dim_regions') }}
),

module_labels as (
    select
        region_code,
        module_label
    from {{ ref('dim_region_modules') }}
    where module_code = 'statistics'
),

{%- set dimensions = [''] + cube_dimensions() %}

slices as (
    {%- for period_kind, period_start in [('day', 'received_date'), ('month', 'month_date')] %}
        {%- set outer_loop = loop %}
        {%- for a in range(dimensions | length) %}
            {%- set outer_a = loop %}
            {%- for b in ([0] + (range(a + 1, dimensions | length) | list) if a else [0]) %}
                {%- if not (outer_loop.first and outer_a.first and loop.first) %}
                    union all
                {%- endif %}
                select
                    '{{ period_kind }}' as period_kind,
                    {{ period_start }} as period_start,
                    region_code,
                    '{{ dimensions[a] }}' as dimension_a,
                    {{ "coalesce(" ~ dimensions[a] ~ ", '-')" if a else "''" }} as value_a,
                    '{{ dimensions[b] }}' as dimension_b,
                    {{ "coalesce(" ~ dimensions[b] ~ ", '-')" if b else "''" }} as value_b,
                    sum(cases)::int as cases,
                    sum(cases_with_applicant)::int as cases_with_applicant
                from cube
                group by
                    {{ period_start }}, region_code
                    {%- if a %}, {{ dimensions[a] }}{% endif %}
                    {%- if b %}, {{ dimensions[b] }}{% endif %}
            {%- endfor %}
        {%- endfor %}
    {%- endfor %}
)

select
    slices.period_kind,
    slices.period_start,
    slices.region_code,
    regions.region_name,
    slices.dimension_a,
    slices.value_a,
    slices.dimension_b,
    slices.value_b,
    slices.cases,
    slices.cases_with_applicant,
    slices.cases_with_applicant - coalesce(surplus.surplus, 0) as people,
    coalesce(module_labels.module_label, 'вне положения') as module_label,
    regions.as_of,
    '{{ var("metric_version") }}' as metric_version,
    '{{ config_version() }}' as config_version
from slices
inner join regions on slices.region_code = regions.region_code
left join surplus
    on
        slices.period_kind = surplus.period_kind
        and slices.period_start = surplus.period_start
        and slices.region_code = surplus.region_code
        and slices.dimension_a = surplus.dimension_a
        and slices.value_a = surplus.value_a
        and slices.dimension_b = surplus.dimension_b
        and slices.value_b = surplus.value_b
left join module_labels on slices.region_code = module_labels.region_code
