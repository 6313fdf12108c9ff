with topics as (
    select * from {{ ref('int_topics') }}
)

select
    topic_code,
    topic_name,
    topic_group,
    block_code,
    is_registered,
    valid_from,
    clause
from topics
