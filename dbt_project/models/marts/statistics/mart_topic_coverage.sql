{{ config(
    indexes=[
        {'columns': ['region_code', 'month_date']},
        {'columns': ['source_code']},
    ]
) }}
with appeals as (
    select * from {{ ref('fct_appeals') }}
    where not is_deleted and received_date is not null and is_received
),

regions as (
    select * from {{ ref('dim_regions') }}
),

blocks as (
    select * from {{ ref('dim_blocks') }}
),

module_labels as (
    select
        region_code,
        module_label
    from {{ ref('dim_region_modules') }}
    where module_code = 'statistics'
),

counted as (
    select
        appeals.region_code,
        appeals.source_code,
        date_trunc('month', appeals.received_date)::date as month_date,
        count(*) as cases,
        count(*) filter (where blocks.is_sector) as with_block,
        count(*) filter (where appeals.block_code = 'OTHER') as other,
        count(*) filter (where appeals.block_code = 'unknown') as unknown,
        count(*) filter (where appeals.block_decided_by in ('topic', 'category'))
            as decided_by_source,
        count(*) filter (where appeals.block_decided_by = 'model') as decided_by_model,
        count(*) filter (where appeals.block_decided_by = 'operator') as decided_by_operator,
        array_agg(appeals.case_id order by appeals.case_id)
        filter (where appeals.block_code = 'unknown') as case_ids
    from appeals
    inner join blocks on appeals.block_code = blocks.block_code
    group by
        appeals.region_code,
        appeals.source_code,
        date_trunc('month', appeals.received_date)::date
)

select
    counted.month_date,
    counted.region_code,
    regions.region_name,
    counted.source_code,
    counted.cases,
    counted.with_block,
    counted.other,
    counted.unknown,
    round(counted.with_block::numeric / counted.cases, 4) as with_block_share,
    round(counted.other::numeric / counted.cases, 4) as other_share,
    round(counted.unknown::numeric / counted.cases, 4) as unknown_share,
    counted.decided_by_source,
    counted.decided_by_model,
    counted.decided_by_operator,
    round(counted.decided_by_source::numeric / counted.cases, 4) as decided_by_source_share,
    round(counted.decided_by_model::numeric / counted.cases, 4) as decided_by_model_share,
    round(counted.decided_by_operator::numeric / counted.cases, 4) as decided_by_operator_share,
    coalesce(counted.case_ids, '{}') as case_ids,
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
left join module_labels on counted.region_code = module_labels.region_code
