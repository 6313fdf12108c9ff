{{ config(
    indexes=[
        {'columns': ['region_code', 'period_start']},
    ]
) }}
with reports as (
    select * from {{ ref('int_owed_reports') }}
),

regions as (
    select * from {{ ref('dim_regions') }}
),

modules as (
    select
        region_code,
        module_label
    from {{ ref('dim_region_modules') }}
    where module_code = 'reports'
)

select
    reports.region_code,
    regions.region_name,
    reports.report_code,
    reports.report_name,
    reports.from_role,
    reports.to_role,
    case reports.period
        when 'day' then 'ежедневно'
        when 'year' then 'ежегодно'
        when 'by_request' then 'по запросу'
        when 'not_named' then 'период не назван'
    end as period_name,
    reports.period_start,
    reports.due_on,
    reports.delivered_on,
    reports.request_number,
    reports.report_state_code,
    case reports.report_state_code
        when 'delivered' then 'сдан'
        when 'delivered_late' then 'сдан с опозданием'
        when 'late' then 'просрочен'
        when 'not_due' then 'срок не наступил'
        when 'no_register' then 'не сдан: реестра нет'
        when 'no_requests' then 'запросов не было'
        when 'no_term' then 'срок не назван'
    end as report_state,
    reports.is_late,
    case
        when reports.is_late
            then
                coalesce(
                    case when reports.report_state_code <> 'no_register' then reports.delivered_on end,
                    reports.as_of_date
                )
                - reports.due_on
    end as days_late,
    reports.clause,
    -- A module that no row names is asked for by no act.
    coalesce(modules.module_label, 'вне положения') as module_label,
    regions.as_of,
    '{{ var("metric_version") }}' as metric_version,
    '{{ config_version() }}' as config_version
from reports
inner join regions on reports.region_code = regions.region_code
left join modules on reports.region_code = modules.region_code
