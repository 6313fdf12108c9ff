{{ config(materialized='view') }}
-- Kinds of bodies, in the order in which ratings are published.
with body_kinds as (
    select * from {{ ref('body_kinds') }}
    where valid_to is null
)

select
    body_kind_code,
    body_kind_name,
    sort_order
from body_kinds
