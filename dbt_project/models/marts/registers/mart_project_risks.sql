{{ config(
    indexes=[
        {'columns': ['region_code', 'identified_on']},
        {'columns': ['block_code']},
    ]
) }}
with risks as (
    select * from {{ ref('int_project_risks') }}
),

projects as (
    select
        region_code,
        project_code,
        title
    from {{ ref('int_projects') }}
),

regions as (
    select * from {{ ref('dim_regions') }}
),

blocks as (
    select * from {{ ref('dim_blocks') }}
),

modules as (
    select
        region_code,
        module_label
    from {{ ref('dim_region_modules') }}
    where module_code = 'projects'
)

select
    risks.region_code,
    regions.region_name,
    risks.project_code,
    projects.title as project_title,
    risks.risk_number,
    risks.block_code,
    coalesce(blocks.block_name, risks.block_label, 'Не указан') as block_name,
    risks.risk,
    risks.probability_name,
    risks.impact_name,
    risks.risk_score,
    case
        when risks.risk_score >= 6 then 'высокий'
        when risks.risk_score >= 3 then 'средний'
        else 'низкий'
    end as risk_level,
    risks.mitigation,
    risks.identified_on,
    risks.reviewed_on,
    risks.escalated_on,
    risks.decision,
    risks.escalated_on is not null and risks.decision is null and risks.state_code <> 'closed'
        as is_undecided,
    risks.state_code,
    risks.state_name,
    risks.closed_on,
    coalesce(risks.closed_on, risks.as_of_date) - risks.identified_on as days_open,
    risks.record_key,
    -- A module that no row names is asked for by no act.
    coalesce(modules.module_label, 'вне положения') as module_label,
    regions.as_of,
    '{{ var("metric_version") }}' as metric_version,
    '{{ config_version() }}' as config_version
from risks
inner join regions on risks.region_code = regions.region_code
left join modules on risks.region_code = modules.region_code
left join projects
    on
        risks.region_code = projects.region_code
        and risks.project_code = projects.project_code
left join blocks on risks.block_code = blocks.block_code
