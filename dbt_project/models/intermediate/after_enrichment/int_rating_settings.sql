{{ config(materialized='view') }}
-- What an operator sets for the rating of a region, by date.
with rating_settings as (
    select * from {{ ref('rating_settings') }}
)

select
    region_code,
    counts_posts,
    min_due_cycles,
    prior_weight,
    min_checked_replies,
    approver,
    valid_from,
    valid_to
from rating_settings
