{{ config(
    unique_key='received_date',
    pre_hook="{{ collect_cells(period='received_date') }}",
    indexes=[
        {'columns': ['region_code', 'received_date']},
        {'columns': ['region_code', 'month_date']},
        {'columns': ['block_code']},
    ]
) }}
-- One row a day and combination of all dimensions: any two of them (or more) are a sum over it.
with cases as (
    select * from {{ ref('fct_counted_cases') }}
    where {{ is_case_of_redone_cell() }}
),

regions as (
    select * from {{ ref('dim_regions') }}
),

counted as (
    select
        received_date,
        month_date,
        region_code,
        block_code,
        topic_group,
        topic_code,
        body_code,
        body_kind_code,
        municipality_code,
        channel_code,
        source_code,
        regime_code,
        case_state_code,
        applicant_class_code,
        count(*)::int as cases,
        count(applicant_key)::int as cases_with_applicant,
        array_agg(case_id order by case_id) as case_ids
    from cases
    group by
        received_date, month_date, region_code, block_code, topic_group, topic_code, body_code,
        body_kind_code, municipality_code, channel_code, source_code, regime_code, case_state_code,
        applicant_class_code
)

select
    counted.received_date,
    counted.month_date,
    counted.region_code,
    regions.region_name,
    counted.block_code,
    counted.topic_group,
    counted.topic_code,
    counted.body_code,
    counted.body_kind_code,
    counted.municipality_code,
    counted.channel_code,
    counted.source_code,
    counted.regime_code,
    counted.case_state_code,
    counted.applicant_class_code,
    counted.cases,
    counted.cases_with_applicant,
    counted.case_ids
from counted
inner join regions on counted.region_code = regions.region_code
