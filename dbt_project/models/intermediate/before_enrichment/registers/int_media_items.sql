-- Items of the media plan as of the region's moment (DOMAIN 5.19): planned, held, or late when the
-- day of the plan has passed and nothing was held. An item that was put off without a new day is late.
with items as (
    select * from {{ ref('stg_media_plans') }}
    where not is_deleted and planned_on is not null
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

municipality_names as (
    select * from {{ ref('int_municipality_names') }}
),

register_values as (
    select * from {{ ref('register_values') }}
),

approvals as (
    select * from {{ ref('register_approvals') }}
    where register_code = 'media_plans'
),

known as (
    select
        items.*,
        clock.as_of_date,
        items.state_code = 'held' and coalesce(items.held_on <= clock.as_of_date, true) as is_held
    from items
    inner join clock on items.region_code = clock.region_code
)

select
    known.record_key,
    known.region_code,
    known.native_id as item_number,
    known.title,
    known.kind_code,
    kinds.value_name as kind_name,
    known.outlet,
    known.audience,
    block_labels.block_code,
    known.block_label,
    municipality_names.municipality_code,
    known.municipality_label,
    body_names.body_code,
    known.body_label,
    case when known.agreed_on <= known.as_of_date then known.agreed_on end as agreed_on,
    approvals.role_name as agreed_by,
    known.planned_on,
    states.value_name as register_state_name,
    case
        when known.is_held then 'held'
        when known.state_code = 'cancelled' then 'cancelled'
        when known.planned_on < known.as_of_date then 'late'
        when known.state_code = 'postponed' then 'postponed'
        else 'planned'
    end as state_code,
    case when known.is_held then known.held_on end as held_on,
    case when known.is_held then known.reach end as reach,
    case when known.is_held then known.url end as url,
    known.as_of_date
from known
{{ join_block('known') }}
{{ join_municipality('known') }}
{{ join_body('known') }}
{{ join_value('kinds', 'known.kind_code', 'media_plans', 'kind') }}
{{ join_value('states', 'known.state_code', 'media_plans', 'state') }}
left join approvals
    on
        known.region_code = approvals.region_code
        and {{ in_force('approvals', 'known.planned_on') }}
