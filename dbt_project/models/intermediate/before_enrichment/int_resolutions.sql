{{ config(materialized='view') }}
-- What a body can say it did with a case.
with resolutions as (
    select * from {{ ref('resolutions') }}
    where valid_to is null
)

select
    resolution_code,
    resolution_name,
    is_solved,
    sort_order,
    clause
from resolutions
