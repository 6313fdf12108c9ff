{{ config(
    materialized='incremental',
    incremental_strategy='by_change',
    unique_key='template_key',
    pre_hook=[
        "{{ collect_redo('template_key', told_by='kept_reply_skeletons') }}",
        "{{ put_by('template_key', 'template_key') }}",
    ],
    post_hook="{{ note_moved_templates() }}",
    indexes=[
        {'columns': ['template_key'], 'unique': true},
    ],
) }}
-- One skeleton in replies of one body about different objects (DOMAIN 5.9, E2).
with skeletons as (
    select * from {{ ref('kept_reply_skeletons') }}
    where is_current and {{ is_redone('template_key', 'template_key') }}
)

select template_key
from skeletons
group by template_key
having count(distinct object_key) >= 2
