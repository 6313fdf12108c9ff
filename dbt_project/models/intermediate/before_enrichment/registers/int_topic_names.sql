-- Which topics a name in a register stands for: the name of a topic or any source's label of it. Two
-- sources may mean different topics by one word; a register does not say which, so all count.
with topics as (
    select * from {{ ref('int_topics') }}
),

labels as (
    select * from {{ ref('int_label_blocks') }}
    where label_kind = 'topic' and topic_code is not null
)

select
    {{ match_key('topic_name') }} as topic_key,
    topic_code
from topics
where {{ match_key('topic_name') }} is not null
union
select
    label_key as topic_key,
    topic_code
from labels
