{{ config(
    indexes=[
        {'columns': ['region_code', 'planned_on']},
        {'columns': ['block_code']},
    ]
) }}
with items as (
    select * from {{ ref('int_media_items') }}
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

municipalities as (
    select * from {{ ref('dim_municipalities') }}
),

modules as (
    select
        region_code,
        module_label
    from {{ ref('dim_region_modules') }}
    where module_code = 'media'
)

select
    items.region_code,
    regions.region_name,
    items.item_number,
    items.title,
    items.kind_code,
    items.kind_name,
    case
        when items.kind_code = 'seminar' then 'семинары'
        when items.audience is not null then 'адресное информирование'
        else 'медиаплан'
    end as work_name,
    items.outlet,
    items.audience,
    items.block_code,
    coalesce(blocks.block_name, items.block_label, 'Не указан') as block_name,
    items.municipality_code,
    coalesce(
        municipalities.municipality_name, items.municipality_label, 'Весь регион'
    ) as municipality_name,
    items.body_code,
    coalesce(bodies.body_name, items.body_label, 'Не назван') as body_name,
    items.planned_on,
    date_trunc('month', items.planned_on::timestamp)::date as month_start,
    items.state_code,
    case items.state_code
        when 'planned' then 'запланировано'
        when 'held' then 'состоялось'
        when 'late' then 'не состоялось в срок'
        when 'postponed' then 'перенесено'
        when 'cancelled' then 'отменено'
    end as state_name,
    items.register_state_name,
    items.held_on,
    case
        when items.state_code = 'late' then items.as_of_date - items.planned_on
        when items.held_on > items.planned_on then items.held_on - items.planned_on
    end as days_late,
    items.reach,
    items.url,
    case
        when items.agreed_by is null then 'не требуется'
        when items.agreed_on is null then 'не согласовано'
        when items.agreed_on > items.planned_on then 'согласовано после даты плана'
        else 'согласовано'
    end as agreement_state,
    items.agreed_on,
    items.agreed_by,
    items.record_key,
    -- A module that no row names is asked for by no act.
    coalesce(modules.module_label, 'вне положения') as module_label,
    regions.as_of,
    '{{ var("metric_version") }}' as metric_version,
    '{{ config_version() }}' as config_version
from items
inner join regions on items.region_code = regions.region_code
left join modules on items.region_code = modules.region_code
left join blocks on items.block_code = blocks.block_code
left join bodies on items.body_code = bodies.body_code
left join municipalities on items.municipality_code = municipalities.municipality_code
