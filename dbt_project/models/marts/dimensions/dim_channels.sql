with channels as (
    select * from {{ ref('int_channels') }}
)

select
    channel_code,
    channel_name,
    channel_name_en,
    sort_order::int as sort_order,
    clause
from channels
