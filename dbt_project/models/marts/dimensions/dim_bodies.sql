with bodies as (
    select * from {{ ref('int_bodies') }}
),

body_kinds as (
    select * from {{ ref('int_body_kinds') }}
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
    bodies.clause
from bodies
left join body_kinds on bodies.body_kind_code = body_kinds.body_kind_code
