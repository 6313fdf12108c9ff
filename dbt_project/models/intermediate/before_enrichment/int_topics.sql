-- The topics of the catalogue and those that only the data name: a label that stands for no topic of
-- the catalogue is a topic of its own, so that what comes again under it is seen.
with topics as (
    select * from {{ ref('topics') }}
    where valid_to is null
),

labels as (
    select * from {{ ref('int_label_blocks') }}
    where label_kind = 'topic'
),

cases as (
    select
        source_code,
        topic_key,
        topic_name,
        category_name
    from {{ ref('int_case_records') }}
    where topic_key is not null
),

spelled as (
    select
        source_code,
        topic_key,
        topic_name,
        category_name,
        count(*) as times
    from cases
    group by source_code, topic_key, topic_name, category_name
),

-- The spelling that is met most often names the topic, and so with its group.
named as (
    select distinct on (source_code, topic_key)
        source_code,
        topic_key,
        topic_name
    from spelled
    group by source_code, topic_key, topic_name
    order by
        source_code asc, topic_key asc, (topic_name is null) asc, sum(times) desc, topic_name asc
),

grouped as (
    select distinct on (source_code, topic_key)
        source_code,
        topic_key,
        category_name as topic_group
    from spelled
    group by source_code, topic_key, category_name
    order by
        source_code asc,
        topic_key asc,
        (category_name is null) asc,
        sum(times) desc,
        category_name asc
),

observed as (
    select
        named.source_code,
        named.topic_key,
        named.topic_name,
        grouped.topic_group
    from named
    inner join grouped
        on named.source_code = grouped.source_code and named.topic_key = grouped.topic_key
)

select
    topic_code,
    topic_name,
    topic_group,
    block_code,
    valid_from,
    clause,
    true as is_registered
from topics
union all
select
    {{ own_topic_code('observed.source_code', 'observed.topic_key') }} as topic_code,
    -- A label of a lower level has no name of its own in the record.
    coalesce(observed.topic_name, observed.topic_key) as topic_name,
    observed.topic_group,
    labels.block_code,
    null::date as valid_from,
    'в справочнике тем нет' as clause,
    false as is_registered
from observed
left join labels
    on observed.source_code = labels.source_code and observed.topic_key = labels.label_key
where labels.topic_code is null
