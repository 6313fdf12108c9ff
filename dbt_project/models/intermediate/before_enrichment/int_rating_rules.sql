{{ config(materialized='view') }}
-- The dimensions that a region's act asks for, with the label of the act and the weight in force.
with rating_dimensions as (
    select * from {{ ref('rating_dimensions') }}
)

select
    region_code,
    dimension_code,
    dimension_name,
    weight,
    valid_from,
    valid_to
from rating_dimensions
