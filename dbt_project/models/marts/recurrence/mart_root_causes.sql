{{ config(
    indexes=[
        {'columns': ['region_code', 'month_date']},
        {'columns': ['block_code', 'month_date']},
    ]
) }}
with recurrences as (
    select * from {{ ref('int_recurrences') }}
),

regions as (
    select * from {{ ref('dim_regions') }}
),

region_modules as (
    select * from {{ ref('dim_region_modules') }}
    where module_code = 'root_causes'
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
    recurrences.month_date,
    recurrences.region_code,
    regions.region_name,
    recurrences.block_code,
    blocks.block_name,
    recurrences.topic_code,
    topics.topic_name as topic_title,
    recurrences.municipality_code,
    coalesce(municipalities.municipality_name, 'Не определено') as municipality_name,
    recurrences.body_code,
    bodies.body_name,
    recurrences.object_kind,
    recurrences.object_key,
    recurrences.street_name,
    recurrences.cases,
    recurrences.people,
    recurrences.answered_cases,
    recurrences.cases_after_solved,
    -- More may come after «решено» than was answered at all.
    round(recurrences.cases_after_solved::numeric / nullif(recurrences.answered_cases, 0), 4)
        as recurrence_ratio,
    case when recurrences.answered_cases = 0 then 'ни одно обращение периода не отвечено' end
        as not_computed_reason,
    dense_rank() over (
        partition by recurrences.region_code, recurrences.month_date
        order by recurrences.cases_after_solved desc
    )::int as place,
    recurrences.first_received_date,
    recurrences.last_received_date,
    -- Its 180 days end with the report.
    date_trunc('month', regions.as_of at time zone regions.time_zone) = recurrences.month_date
        as is_current,
    recurrences.case_ids,
    coalesce(region_modules.module_label, '') as module_label,
    regions.as_of,
    '{{ var("metric_version") }}' as metric_version,
    '{{ config_version() }}' as config_version
from recurrences
inner join regions on recurrences.region_code = regions.region_code
inner join blocks on recurrences.block_code = blocks.block_code
inner join topics on recurrences.topic_code = topics.topic_code
inner join bodies on recurrences.body_code = bodies.body_code
left join region_modules on recurrences.region_code = region_modules.region_code
left join municipalities on recurrences.municipality_code = municipalities.municipality_code
