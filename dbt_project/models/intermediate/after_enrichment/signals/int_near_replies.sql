{{ config(materialized='view') }}
-- Cases whose replies a model found nearly alike (DOMAIN 5.9, E2: 0.95 and more), each pair both ways.
with replies as (
    select
        case_id,
        region_code,
        reply_hash
    from {{ ref('int_case_replies') }}
),

models as (
    select * from {{ source('nlp', 'models') }}
    where is_current
),

pairs as (
    select
        near.first_hash,
        near.second_hash
    from {{ source('nlp', 'near_duplicates') }} as near
    inner join models on near.model_version = models.model_version
    where near.text_kind = 'reply' and near.similarity >= 0.95
),

both_ways as (
    select
        first_hash as reply_hash,
        second_hash as other_reply_hash
    from pairs
    union all
    select
        second_hash as reply_hash,
        first_hash as other_reply_hash
    from pairs
)

select
    replies.case_id,
    others.case_id as other_case_id
from both_ways
inner join replies on both_ways.reply_hash = replies.reply_hash
inner join replies as others
    on
        both_ways.other_reply_hash = others.reply_hash
        and replies.region_code = others.region_code
