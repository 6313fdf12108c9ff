{{ config(materialized='view') }}
-- Pairs of messages that the current model found alike (DOMAIN 5.4: 0.8 and more), by the hashes of
-- their texts. Equal texts are no pair.
with models as (
    select * from {{ source('nlp', 'models') }}
    where is_current
)

select
    near.first_hash,
    near.second_hash,
    near.similarity,
    near.found_at
from {{ source('nlp', 'near_duplicates') }} as near
inner join models on near.model_version = models.model_version
where near.text_kind = 'message' and near.similarity >= 0.8
