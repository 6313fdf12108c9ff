{{ config(materialized='view') }}
-- The parts of a priority with their weights, as they were in force.
with priority_weights as (
    select * from {{ ref('priority_weights') }}
)

select
    part_code,
    part_name,
    part_phrase,
    weight,
    sort_order,
    valid_from,
    valid_to
from priority_weights
