{{ config(
    indexes=[
        {'columns': ['region_code', 'due_on']},
        {'columns': ['block_code']},
    ]
) }}
with stages as (
    select * from {{ ref('int_project_stages') }}
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

bodies as (
    select * from {{ ref('dim_bodies') }}
),

modules as (
    select
        region_code,
        module_label
    from {{ ref('dim_region_modules') }}
    where module_code = 'projects'
)

select
    stages.region_code,
    regions.region_name,
    stages.project_code,
    projects.title as project_title,
    stages.stage_number,
    stages.stage,
    stages.block_code,
    coalesce(blocks.block_name, stages.block_label, 'Не указан') as block_name,
    stages.body_code,
    coalesce(bodies.body_name, stages.body_label, 'Не назван') as body_name,
    stages.due_on,
    stages.done_on,
    stages.state_code,
    case stages.state_code
        when 'planned' then 'не начат'
        when 'active' then 'выполняется'
        when 'done' then 'выполнен'
        when 'late' then 'просрочен'
        when 'cancelled' then 'отменён'
    end as state_name,
    coalesce(stages.done_on > stages.due_on, false) as is_completed_late,
    case
        when stages.state_code = 'late' then stages.as_of_date - stages.due_on
        when stages.done_on > stages.due_on then stages.done_on - stages.due_on
    end as days_late,
    stages.record_key,
    -- A module that no row names is asked for by no act.
    coalesce(modules.module_label, 'вне положения') as module_label,
    regions.as_of,
    '{{ var("metric_version") }}' as metric_version,
    '{{ config_version() }}' as config_version
from stages
inner join regions on stages.region_code = regions.region_code
left join modules on stages.region_code = modules.region_code
left join projects
    on
        stages.region_code = projects.region_code
        and stages.project_code = projects.project_code
left join blocks on stages.block_code = blocks.block_code
left join bodies on stages.body_code = bodies.body_code
