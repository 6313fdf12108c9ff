-- Which block and which topic a label of a source stands for. A label that was left open (no block)
-- decides nothing; one without a topic code is a topic of its own (int_topics).
with catalogue as (
    select
        source_code,
        label_kind,
        label,
        block_code,
        topic_code
    from {{ ref('topic_catalog') }}
),

mapped as (
    select
        source_code,
        label_kind,
        label,
        block_code,
        topic_code
    from {{ ref('label_blocks') }}
),

labels as (
    select * from catalogue
    union all
    select * from mapped
)

select distinct on (source_code, label_kind, {{ match_key('label') }})
    source_code,
    label_kind,
    {{ match_key('label') }} as label_key,
    label,
    nullif(block_code, 'unknown') as block_code,
    nullif(topic_code, '') as topic_code
from labels
where {{ match_key('label') }} is not null
order by source_code, label_kind, {{ match_key('label') }}, block_code, label
