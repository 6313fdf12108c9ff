{{ config(
    unique_key='month_date',
    pre_hook="{{ collect_cells(told_by='kept_communication_cases', cases=false) }}",
    indexes=[
        {'columns': ['region_code', 'month_date']},
        {'columns': ['block_code']},
    ]
) }}
with every_case as (
    select * from {{ ref('kept_communication_cases') }}
    where is_current and {{ is_of_redone_cell() }}
),

rules as (
    select * from {{ ref('int_communication_rules') }}
),

regions as (
    select * from {{ ref('dim_regions') }}
),

blocks as (
    select * from {{ ref('dim_blocks') }}
),

counted as (
    select
        month_date,
        region_code,
        block_code,
        body_code,
        issue_code,
        rule_code,
        count(*) filter (where is_flagged) as flagged,
        count(*) filter (where is_reviewed) as reviewed,
        count(*) filter (where is_confirmed) as confirmed,
        string_agg(distinct evidence, ', ' order by evidence) as evidence,
        array_agg(case_id order by case_id) as case_ids,
        array_agg(case_id order by case_id) filter (where is_confirmed) as confirmed_case_ids
    from every_case
    group by month_date, region_code, block_code, body_code, issue_code, rule_code
)

select
    counted.month_date,
    counted.region_code,
    regions.region_name,
    counted.block_code,
    blocks.block_name,
    counted.body_code,
    counted.issue_code,
    case when counted.issue_code = 'conflict' then 'Конфликт' else 'Ошибка' end as issue_name,
    counted.rule_code,
    coalesce(rules.rule_name, 'Найдено человеком') as rule_name,
    counted.flagged,
    counted.reviewed,
    counted.confirmed,
    counted.reviewed - counted.confirmed as rejected,
    counted.evidence,
    counted.case_ids,
    coalesce(counted.confirmed_case_ids, '{}') as confirmed_case_ids
from counted
inner join regions on counted.region_code = regions.region_code
inner join blocks on counted.block_code = blocks.block_code
left join rules on counted.rule_code = rules.rule_code
