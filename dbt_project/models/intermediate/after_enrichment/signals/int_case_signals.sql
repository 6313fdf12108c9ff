{{ config(
    materialized='incremental',
    incremental_strategy='by_change',
    unique_key='case_id',
    pre_hook=["{{ note_told_signals() }}", "{{ collect_redo() }}"],
    indexes=[
        {'columns': ['case_id'], 'unique': true},
        {'columns': ['is_text_signalled']},
        {'columns': ['is_reply_signalled']},
    ],
    meta={'by_enrichment': true},
) }}
-- What is known of a case's text and of its reply beyond the block: from the contract tables of `nlp`,
-- by the model in use. Where a text was not read yet, its letters still tell its copies.
with cases as (
    select
        case_id,
        text_hash,
        normalised_text_hash,
        reply_hash
    from {{ ref('int_case_records') }}
    where {{ is_redone('case_id') }}
),

models as (
    select * from {{ source('nlp', 'models') }}
    where is_current
),

text_signals as (
    select signals.*
    from {{ source('nlp', 'text_signals') }} as signals
    inner join models on signals.model_version = models.model_version
    where {{ is_of_step('signals.text_hash', 'cases', 'text_hash') }}
),

reply_signals as (
    select signals.*
    from {{ source('nlp', 'reply_signals') }} as signals
    inner join models on signals.model_version = models.model_version
    where {{ is_of_step('signals.reply_hash', 'cases', 'reply_hash') }}
)

select
    cases.case_id,
    coalesce(text_signals.normalised_text_hash, cases.normalised_text_hash)
        as normalised_text_hash,
    text_signals.has_court,
    text_signals.has_prosecutor,
    text_signals.has_president,
    text_signals.tone,
    cases.reply_hash,
    reply_signals.skeleton_hash,
    reply_signals.has_action,
    reply_signals.has_date,
    reply_signals.has_legal_reason,
    reply_signals.has_personal_data,
    reply_signals.is_rude,
    reply_signals.promised_date,
    case when cases.text_hash is not null then text_signals.text_hash is not null end
        as is_text_signalled,
    case when cases.reply_hash is not null then reply_signals.reply_hash is not null end
        as is_reply_signalled
from cases
left join text_signals on cases.text_hash = text_signals.text_hash
left join reply_signals on cases.reply_hash = reply_signals.reply_hash
