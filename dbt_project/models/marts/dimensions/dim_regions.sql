{{ config(materialized='incremental', incremental_strategy='in_place', on_schema_change='fail') }}
with regions as (
    select * from {{ ref('int_regions') }}
)

select
    region_code,
    region_name,
    region_name_en,
    time_zone,
    calendar_code,
    act,
    recipients,
    is_demo,
    clause,
    valid_from,
    as_of
from regions
