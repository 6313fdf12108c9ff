{{ config(materialized='view') }}
-- Channels by which an appeal comes.
with channels as (
    select * from {{ ref('channels') }}
    where valid_to is null
)

select
    channel_code,
    channel_name,
    channel_name_en,
    sort_order,
    clause
from channels
