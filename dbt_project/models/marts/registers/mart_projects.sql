{{ config(
    indexes=[
        {'columns': ['region_code', 'due_on']},
        {'columns': ['block_code']},
    ]
) }}
with projects as (
    select
        *,
        state_code in ('draft', 'approved', 'active', 'suspended') as is_open
    from {{ ref('int_projects') }}
),

risks as (
    select * from {{ ref('int_project_risks') }}
),

stages as (
    select * from {{ ref('int_project_stages') }}
    where state_code <> 'cancelled'
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
),

-- Closed risks threaten nobody; one that was brought up waits until it is decided.
project_risks as (
    select
        region_code,
        project_code,
        count(*) as risks,
        count(*) filter (where state_code <> 'closed') as open_risks,
        count(*) filter (where state_code <> 'closed' and risk_score >= 6) as heavy_risks,
        count(*) filter (where state_code = 'occurred') as occurred_risks,
        count(*) filter (where escalated_on is not null) as escalated_risks,
        count(*) filter (
            where escalated_on is not null and decision is null and state_code <> 'closed'
        ) as undecided_risks
    from risks
    group by region_code, project_code
),

project_stages as (
    select
        region_code,
        project_code,
        count(*) as stages_total,
        count(*) filter (where state_code = 'done') as stages_done,
        count(*) filter (where state_code = 'late') as stages_late
    from stages
    group by region_code, project_code
),

-- Numbers of one term go as numbers do: 2 before 10.
next_stages as (
    select distinct on (region_code, project_code)
        region_code,
        project_code,
        stage as next_stage,
        due_on as next_stage_due_on
    from stages
    where state_code <> 'done'
    order by region_code, project_code, due_on, length(stage_number), stage_number
),

measured as (
    select
        *,
        case
            when is_open and due_on < as_of_date then as_of_date - due_on
            when completed_on > due_on then completed_on - due_on
        end as days_late,
        -- Where the work should stand if it went evenly from the start to the term.
        case
            when state_code = 'active' and due_on > started_on
                then
                    round(
                        100.0
                        * least(greatest(as_of_date - started_on, 0), due_on - started_on)
                        / (due_on - started_on),
                        1
                    )
        end as planned_percent
    from projects
)

select
    measured.region_code,
    regions.region_name,
    measured.project_code,
    measured.title,
    measured.block_code,
    coalesce(blocks.block_name, measured.block_label, 'Не указан') as block_name,
    measured.body_code,
    coalesce(bodies.body_name, measured.body_label, 'Не назван') as body_name,
    measured.state_code,
    measured.state_name,
    case
        when measured.passport_approved_on is not null then 'утверждён'
        when measured.passport_agreed_on is not null then 'согласован'
        else 'готовится'
    end as passport_state,
    measured.passport_agreed_on,
    measured.passport_approved_on,
    -- Whose step is next; null where the passport is approved or the act names nobody.
    case
        when measured.passport_approved_on is not null then null
        when measured.passport_agreed_on is not null then measured.approved_by
        when measured.drafted_by is not null
            then measured.drafted_by || ' → ' || measured.agreed_by
    end as passport_next_step,
    -- Approved without the agreement that the act asks for, or before it.
    coalesce(
        measured.agreed_by is not null
        and measured.passport_approved_on is not null
        and coalesce(measured.passport_agreed_on > measured.passport_approved_on, true),
        false
    ) as is_passport_out_of_order,
    measured.started_on,
    measured.due_on,
    measured.completed_on,
    measured.progress_percent,
    measured.planned_percent,
    measured.progress_percent - measured.planned_percent as progress_gap,
    measured.is_open and measured.due_on < measured.as_of_date as is_late,
    coalesce(measured.completed_on > measured.due_on, false) as is_completed_late,
    measured.days_late,
    measured.reported_on,
    measured.as_of_date - measured.reported_on as days_since_report,
    measured.is_in_road_map,
    measured.programme,
    coalesce(project_stages.stages_total, 0) as stages_total,
    coalesce(project_stages.stages_done, 0) as stages_done,
    coalesce(project_stages.stages_late, 0) as stages_late,
    next_stages.next_stage,
    next_stages.next_stage_due_on,
    coalesce(project_risks.risks, 0) as risks,
    coalesce(project_risks.open_risks, 0) as open_risks,
    coalesce(project_risks.heavy_risks, 0) as heavy_risks,
    coalesce(project_risks.occurred_risks, 0) as occurred_risks,
    coalesce(project_risks.escalated_risks, 0) as escalated_risks,
    coalesce(project_risks.undecided_risks, 0) as undecided_risks,
    measured.record_key,
    -- A module that no row names is asked for by no act.
    coalesce(modules.module_label, 'вне положения') as module_label,
    regions.as_of,
    '{{ var("metric_version") }}' as metric_version,
    '{{ config_version() }}' as config_version
from measured
inner join regions on measured.region_code = regions.region_code
left join modules on measured.region_code = modules.region_code
left join project_risks
    on
        measured.region_code = project_risks.region_code
        and measured.project_code = project_risks.project_code
left join project_stages
    on
        measured.region_code = project_stages.region_code
        and measured.project_code = project_stages.project_code
left join next_stages
    on
        measured.region_code = next_stages.region_code
        and measured.project_code = next_stages.project_code
left join blocks on measured.block_code = blocks.block_code
left join bodies on measured.body_code = bodies.body_code
