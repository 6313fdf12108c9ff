{{ config(
    indexes=[
        {'columns': ['region_code', 'month_date']},
        {'columns': ['block_code']},
    ]
) }}
with flags as (
    select * from {{ ref('fct_communication_flags') }}
),

appeals as (
    select * from {{ ref('fct_appeals') }}
    where not is_deleted and received_date is not null and is_received
),

corrections as (
    select * from {{ ref('int_case_corrections') }}
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

bodies as (
    select * from {{ ref('dim_bodies') }}
),

module_labels as (
    select
        region_code,
        module_label
    from {{ ref('dim_region_modules') }}
    where module_code = 'communication'
),

issues as (
    select distinct issue_code from rules
),

-- What a person found where no rule pointed: it counts, and says nothing of any rule.
found_by_person as (
    select
        corrections.case_id,
        corrections.field_code as issue_code,
        appeals.region_code,
        appeals.block_code,
        appeals.body_code,
        (corrections.decided_at at time zone regions.time_zone)::date as flagged_date
    from corrections
    inner join issues on corrections.field_code = issues.issue_code
    inner join appeals on corrections.case_id = appeals.case_id
    inner join regions on appeals.region_code = regions.region_code
    where
        lower(corrections.new_value) = 'да'
        and not exists (
            select 1 from flags
            where
                flags.case_id = corrections.case_id
                and flags.issue_code = corrections.field_code
        )
),

every_case as (
    select
        case_id,
        issue_code,
        rule_code,
        region_code,
        block_code,
        body_code,
        flagged_date,
        evidence,
        true as is_flagged,
        is_reviewed,
        is_confirmed
    from flags
    union all
    select
        case_id,
        issue_code,
        'PERSON' as rule_code,
        region_code,
        block_code,
        body_code,
        flagged_date,
        'решение человека' as evidence,
        false as is_flagged,
        true as is_reviewed,
        true as is_confirmed
    from found_by_person
),

counted as (
    select
        date_trunc('month', flagged_date)::date as month_date,
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
    group by
        date_trunc('month', flagged_date)::date,
        region_code, block_code, body_code, issue_code, rule_code
)

select
    counted.month_date,
    counted.region_code,
    regions.region_name,
    counted.block_code,
    blocks.block_name,
    counted.body_code,
    coalesce(bodies.body_name, 'Не определён') as body_name,
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
    coalesce(counted.confirmed_case_ids, '{}') as confirmed_case_ids,
    coalesce(
        (counted.month_date + interval '1 month') at time zone regions.time_zone <= regions.as_of,
        false
    ) as is_month_finished,
    coalesce(module_labels.module_label, 'вне положения') as module_label,
    regions.as_of,
    '{{ var("metric_version") }}' as metric_version,
    '{{ config_version() }}' as config_version
from counted
inner join regions on counted.region_code = regions.region_code
inner join blocks on counted.block_code = blocks.block_code
left join bodies on counted.body_code = bodies.body_code
left join rules on counted.rule_code = rules.rule_code
left join module_labels on counted.region_code = module_labels.region_code
