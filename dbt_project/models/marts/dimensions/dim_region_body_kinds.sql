with region_body_kinds as (
    select * from {{ ref('int_region_body_kinds') }}
)

select
    region_code,
    body_kind_code,
    body_kind_name,
    sort_order::int as sort_order,
    is_covered,
    case when is_covered then '' else 'вне положения' end as coverage_label,
    wording,
    clause,
    valid_from
from region_body_kinds
