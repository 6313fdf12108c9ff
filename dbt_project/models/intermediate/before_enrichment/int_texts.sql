{{ config(materialized='view') }}
-- What enrichment reads: every distinct text once, by the hash of the text as written.
with cases as (
    select * from {{ ref('int_cases') }}
)

select distinct on (text_hash)
    text_hash,
    message_text as text,
    region_code
from cases
where text_hash is not null and btrim(message_text) <> ''
order by text_hash, region_code
