{{ config(materialized='view') }}
-- What came back most often after «решено» within the 180 days that the month ends.
with recurrences as (
    select * from {{ ref('int_recurrences') }}
),

topic_names as (
    select
        topic_code,
        topic_name
    from {{ ref('int_topics') }}
)

select distinct on (
    recurrences.month_date, recurrences.region_code, recurrences.block_code,
    recurrences.municipality_code
)
    recurrences.month_date,
    recurrences.region_code,
    recurrences.block_code,
    recurrences.municipality_code,
    concat_ws(
        ', ', coalesce(topic_names.topic_name, recurrences.topic_code), recurrences.street_name
    ) as root_cause
from recurrences
left join topic_names on recurrences.topic_code = topic_names.topic_code
order by
    recurrences.month_date asc,
    recurrences.region_code asc,
    recurrences.block_code asc,
    recurrences.municipality_code asc,
    recurrences.cases_after_solved desc,
    recurrences.cases desc,
    recurrences.topic_code asc,
    recurrences.object_key asc,
    recurrences.body_code asc
