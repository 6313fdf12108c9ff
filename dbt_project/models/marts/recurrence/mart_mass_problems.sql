{{ config(
    indexes=[
        {'columns': ['problem_id'], 'unique': true},
        {'columns': ['region_code', 'first_received_date']},
        {'columns': ['block_code', 'first_received_date']},
    ]
) }}
with problems as (
    select * from {{ ref('int_mass_problems') }}
),

regions as (
    select * from {{ ref('dim_regions') }}
),

region_modules as (
    select * from {{ ref('dim_region_modules') }}
    where module_code = 'repeat'
),

blocks as (
    select * from {{ ref('dim_blocks') }}
),

topics as (
    select * from {{ ref('dim_topics') }}
),

bodies as (
    select * from {{ ref('dim_bodies') }}
),

municipalities as (
    select * from {{ ref('dim_municipalities') }}
)

select
    problems.problem_id,
    problems.region_code,
    regions.region_name,
    problems.block_code,
    blocks.block_name,
    problems.topic_code,
    topics.topic_name as topic_title,
    problems.municipality_code,
    coalesce(municipalities.municipality_name, 'Не определено') as municipality_name,
    problems.body_code,
    coalesce(bodies.body_name, 'Не определён') as body_name,
    problems.object_kind,
    problems.object_key,
    problems.street_name,
    problems.first_case_id,
    problems.last_case_id,
    problems.first_received_at,
    problems.last_received_at,
    problems.first_received_date,
    problems.last_received_date,
    problems.cases,
    problems.people,
    problems.open_cases,
    problems.answered_cases,
    problems.sources,
    problems.open_cases > 0 as is_open,
    case when problems.open_cases > 0 then 'открыта' else 'закрыта' end as problem_state,
    problems.case_ids,
    coalesce(region_modules.module_label, '') as module_label,
    regions.as_of,
    '{{ var("metric_version") }}' as metric_version,
    '{{ config_version() }}' as config_version
from problems
inner join regions on problems.region_code = regions.region_code
inner join blocks on problems.block_code = blocks.block_code
inner join topics on problems.topic_code = topics.topic_code
left join region_modules on problems.region_code = region_modules.region_code
left join bodies on problems.body_code = bodies.body_code
left join municipalities on problems.municipality_code = municipalities.municipality_code
