{{ config(
    materialized='incremental',
    incremental_strategy='by_change',
    unique_key='applicant_key',
    pre_hook="{{ collect_redo('applicant_key', told_by='int_case_months') }}",
    indexes=[
        {'columns': ['applicant_key']},
        {'columns': ['dimension_a', 'dimension_b', 'period_kind', 'region_code', 'period_start']},
    ],
) }}
-- By how much the cases of a person exceed one, in each slice of one or two dimensions of a day or a
-- month. Only people who wrote more than once in the period make rows.
{{ comes_after('int_case_months') }}
{%- set names = "'', '" ~ (cube_dimensions() | join("', '")) ~ "'" %}
{%- set values = [] %}
{%- for dimension in cube_dimensions() %}
    {%- do values.append("coalesce(repeated." ~ dimension ~ ", '-')") %}
{%- endfor %}
with cases as (
    select * from {{ ref('fct_counted_cases') }}
    where applicant_key is not null and {{ is_redone('applicant_key', 'applicant_key') }}
),

dated as (
    select
        cases.*,
        periods.period_kind,
        case periods.period_kind
            when 'day' then cases.received_date else cases.month_date
        end as period_start
    from cases
    cross join (values ('day'), ('month')) as periods (period_kind)
),

counted as (
    select
        *,
        count(*) over (
            partition by period_kind, period_start, region_code, applicant_key
        ) as cases_of_applicant
    from dated
),

repeated as (
    select * from counted
    where cases_of_applicant > 1
),

-- One dimension is a pair with nothing beside it; none at all is the total.
slices as (
    select
        repeated.period_kind,
        repeated.period_start,
        repeated.region_code,
        repeated.applicant_key,
        firsts.dimension as dimension_a,
        firsts.value as value_a,
        seconds.dimension as dimension_b,
        seconds.value as value_b
    from repeated
    cross join
        lateral unnest(array[{{ names }}], array['', {{ values | join(', ') }}])
        with ordinality as firsts (dimension, value, ordinal)
    cross join
        lateral unnest(array[{{ names }}], array['', {{ values | join(', ') }}])
        with ordinality as seconds (dimension, value, ordinal)
    where
        (firsts.ordinal > 1 and firsts.ordinal < seconds.ordinal)
        or seconds.ordinal = 1
)

select
    applicant_key,
    period_kind,
    period_start,
    region_code,
    dimension_a,
    value_a,
    dimension_b,
    value_b,
    count(*)::int - 1 as surplus
from slices
group by
    period_kind, period_start, region_code, dimension_a, value_a, dimension_b, value_b,
    applicant_key
having count(*) > 1
