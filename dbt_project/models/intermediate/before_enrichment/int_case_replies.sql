{{ config(materialized='view') }}
-- The reply to a case as it was written, with the hash by which its signals are found.
with cases as (
    select * from {{ ref('int_cases') }}
)

select
    case_id,
    region_code,
    encode(sha256(convert_to(reply_text, 'UTF8')), 'hex') as reply_hash,
    reply_text
from cases
where btrim(reply_text) <> ''
