{{ config(materialized='incremental', incremental_strategy='in_place', on_schema_change='fail') }}
with bodies as (
    select * from {{ ref('int_bodies') }}
),

body_kinds as (
    select * from {{ ref('int_body_kinds') }}
),

clock as (
    select * from {{ ref('int_region_clock') }}
),

predecessors as (
    select
        successor_code,
        string_agg(predecessor_code, ', ' order by predecessor_code) as predecessor_code
    from {{ ref('int_body_succession') }}
    group by successor_code
),

tenures as (
    select * from {{ ref('int_body_tenures') }}
)

select
    bodies.body_code,
    bodies.region_code,
    bodies.body_name,
    bodies.body_kind_code,
    body_kinds.body_kind_name,
    bodies.block_code,
    bodies.is_registered,
    bodies.valid_from,
    bodies.valid_to,
    bodies.clause,
    predecessors.predecessor_code,
    -- Who is rated today for what still comes under this name.
    coalesce(tenures.legal_body_code, bodies.body_code) as rating_body_code
from bodies
left join body_kinds on bodies.body_kind_code = body_kinds.body_kind_code
left join clock on bodies.region_code = clock.region_code
left join predecessors on bodies.body_code = predecessors.successor_code
left join tenures
    on
        bodies.body_code = tenures.body_code
        and (clock.as_of at time zone clock.time_zone)::date
        >= coalesce(tenures.valid_from, '-infinity')
        and (clock.as_of at time zone clock.time_zone)::date
        < coalesce(tenures.valid_to, 'infinity')
