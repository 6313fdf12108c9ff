{{ config(materialized='view') }}
-- Norm hours of one event: official clerical norms (table 43) and what a region approved.
with workload_norms as (
    select * from {{ ref('workload_norms') }}
    where valid_to is null
)

select
    event_code,
    sum(hours) as norm_hours
from workload_norms
group by event_code
