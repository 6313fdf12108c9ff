{{ config(
    indexes=[
        {'columns': ['region_code', 'month_date']},
        {'columns': ['source_code']},
    ]
) }}
with daily as (
    select * from {{ ref('kept_daily_messages') }}
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
        daily.region_code,
        daily.source_code,
        date_trunc('month', daily.day::timestamp)::date as month_date,
        sum(daily.cases) as cases,
        coalesce(sum(daily.cases) filter (where blocks.is_sector), 0) as with_block,
        coalesce(sum(daily.cases) filter (where daily.block_code = 'OTHER'), 0) as other,
        coalesce(sum(daily.cases) filter (where daily.block_code = 'unknown'), 0) as unknown,
        sum(daily.decided_by_source) as decided_by_source,
        sum(daily.decided_by_model) as decided_by_model,
        sum(daily.decided_by_operator) as decided_by_operator
    from daily
    inner join blocks on daily.block_code = blocks.block_code
    group by
        daily.region_code,
        daily.source_code,
        date_trunc('month', daily.day::timestamp)::date
),

listed as (
    select
        daily.region_code,
        daily.source_code,
        date_trunc('month', daily.day::timestamp)::date as month_date,
        array_agg(cases.case_id order by cases.case_id) as case_ids
    from daily
    cross join lateral unnest(daily.unknown_case_ids) as cases (case_id)
    where daily.unknown_case_ids is not null
    group by
        daily.region_code,
        daily.source_code,
        date_trunc('month', daily.day::timestamp)::date
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
    coalesce(listed.case_ids, '{}') as case_ids,
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
left join listed
    on
        counted.region_code = listed.region_code
        and counted.source_code = listed.source_code
        and counted.month_date = listed.month_date
