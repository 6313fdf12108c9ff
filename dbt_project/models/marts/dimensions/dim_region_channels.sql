with region_channels as (
    select * from {{ ref('int_region_channels') }}
)

select
    region_code,
    channel_code,
    channel_name,
    sort_order::int as sort_order,
    is_covered,
    case when is_covered then '' else 'вне положения' end as coverage_label,
    wording,
    clause,
    valid_from
from region_channels
