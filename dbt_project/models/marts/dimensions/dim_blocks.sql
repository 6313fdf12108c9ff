with blocks as (
    select * from {{ ref('int_blocks') }}
)

select
    block_code,
    block_name,
    block_name_en,
    sort_order::int as sort_order,
    is_sector,
    clause
from blocks
