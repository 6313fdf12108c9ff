{{ config(materialized='view') }}
-- Sector blocks in force and the two that stand outside them.
with blocks as (
    select * from {{ ref('blocks') }}
    where valid_to is null
)

select
    block_code,
    block_name,
    block_name_en,
    sort_order,
    is_sector,
    clause
from blocks
