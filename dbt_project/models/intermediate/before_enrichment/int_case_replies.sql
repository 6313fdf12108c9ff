{{ config(materialized='view') }}
-- The reply to a case as it was written, with the hash by which its signals are found.
with cases as (
    select * from {{ ref('int_case_records') }}
)

select
    case_id,
    region_code,
    reply_hash,
    reply_text
from cases
where reply_hash is not null
