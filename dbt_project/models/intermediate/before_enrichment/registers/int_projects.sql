-- Projects as of the region's moment. A state that the register reached later is taken back to the
-- last one whose day had come; the plan (start, term) is known ahead.
with projects as (
    select * from {{ ref('stg_projects') }}
    where not is_deleted
),

clock as (
    select * from {{ ref('int_region_clock') }}
),

block_labels as (
    select * from {{ ref('int_block_labels') }}
),

body_names as (
    select * from {{ ref('int_body_names') }}
),

register_values as (
    select * from {{ ref('register_values') }}
),

-- Whose steps a passport takes, where the act of the region says so (P 7, 6, 4; J 3.6а, 3.4б, 3.2б).
approvals as (
    select
        region_code,
        valid_from,
        valid_to,
        max(role_name) filter (where step_code = 'draft') as drafted_by,
        max(role_name) filter (where step_code = 'agreed') as agreed_by,
        max(role_name) filter (where step_code = 'approved') as approved_by
    from {{ ref('register_approvals') }}
    where register_code = 'projects'
    group by region_code, valid_from, valid_to
),

known as (
    select
        projects.*,
        clock.as_of_date,
        projects.passport_agreed_on <= clock.as_of_date as is_agreed,
        projects.passport_approved_on <= clock.as_of_date as is_approved,
        case
            when
                (projects.state_code = 'done' and projects.completed_on > clock.as_of_date)
                or (projects.state_code = 'active' and projects.started_on > clock.as_of_date)
                then
                    case
                        when projects.started_on <= clock.as_of_date then 'active'
                        when projects.passport_approved_on <= clock.as_of_date then 'approved'
                        else 'draft'
                    end
            when
                projects.state_code = 'approved'
                and projects.passport_approved_on > clock.as_of_date
                then 'draft'
            else projects.state_code
        end as state_known
    from projects
    inner join clock on projects.region_code = clock.region_code
)

select
    known.record_key,
    known.region_code,
    known.native_id as project_code,
    known.title,
    block_labels.block_code,
    known.block_label,
    body_names.body_code,
    known.body_label,
    known.state_known as state_code,
    states.value_name as state_name,
    case when known.is_agreed then known.passport_agreed_on end as passport_agreed_on,
    case when known.is_approved then known.passport_approved_on end as passport_approved_on,
    approvals.drafted_by,
    approvals.agreed_by,
    approvals.approved_by,
    known.started_on,
    known.due_on,
    case when known.state_known = 'done' then known.completed_on end as completed_on,
    known.progress_percent,
    case when known.reported_on <= known.as_of_date then known.reported_on end as reported_on,
    known.is_in_road_map,
    known.programme,
    known.as_of_date
from known
{{ join_block('known') }}
{{ join_body('known') }}
{{ join_value('states', 'known.state_known', 'projects', 'state') }}
left join approvals
    on
        known.region_code = approvals.region_code
        and {{ in_force('approvals', 'known.started_on') }}
