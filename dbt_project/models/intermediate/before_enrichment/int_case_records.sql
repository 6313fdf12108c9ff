{{ config(
    materialized='incremental',
    incremental_strategy='by_change',
    unique_key='case_id',
    pre_hook="{{ collect_redo() }}",
    indexes=[
        {'columns': ['case_id'], 'unique': true},
        {'columns': ['source_code', 'region_code', 'native_id']},
        {'columns': ['parent_native_id', 'region_code', 'source_code']},
        {'columns': ['text_hash']},
        {'columns': ['normalised_text_hash']},
        {'columns': ['external_number']},
        {'columns': ['region_code', 'body_label']},
        {'columns': ['region_code', 'received_body_label']},
        {'columns': ['source_code', 'topic_key', 'topic_name', 'category_name']},
        {'columns': ['source_code', 'region_code', 'load_id', 'received_date']},
        {'columns': ['region_code', 'municipality_key']},
    ],
) }}
-- Every case record once, with the card's text beside it and the keys that later steps match by.
-- Nothing is left out here: the ledger decides what becomes of each. The last indexes find
-- and count spellings, and the days of loads.
with records as (
    select * from {{ ref('int_records_unioned') }}
    where {{ is_redone('record_key') }}
),

cards as (
    select distinct on (region_code, native_id) *
    from {{ ref('int_case_cards') }}
    where
        not is_deleted
        {%- if is_by_change() %}
            and native_id = any(array(select records.native_id from records))
        {%- endif %}
    order by region_code asc, native_id asc, observed_at desc, record_key asc
),

data_sources as (
    select * from {{ ref('data_sources') }}
),

clock as (
    select * from {{ ref('int_region_clock') }}
),

-- Materialized: spellings are read from it too, and two columns read the letters.
joined as materialized (
    select
        records.*,
        coalesce(records.message_text, cards.message_text) as full_text,
        -- The commonest are taken out by themselves: an expression takes twice as long for them.
        regexp_replace(
            replace(
                replace(
                    replace(lower(coalesce(records.message_text, cards.message_text)), ' ', ''),
                    ',',
                    ''
                ),
                '.',
                ''
            ),
            '[^[:alnum:]]+',
            '',
            'g'
        ) as letters,
        coalesce(records.erased_text_hash, cards.erased_text_hash) as full_erased_text_hash,
        coalesce(records.erased_normalised_text_hash, cards.erased_normalised_text_hash)
            as full_erased_normalised_text_hash,
        coalesce(records.reply_text, cards.reply_text) as full_reply,
        coalesce(records.address, cards.address) as full_address,
        coalesce(records.municipality, cards.municipality) as municipality_label,
        coalesce(records.latitude, cards.latitude) as full_latitude,
        coalesce(records.longitude, cards.longitude) as full_longitude,
        coalesce(records.applicant_key, cards.applicant_key, records.author_key)
            as full_applicant_key,
        cards.questions_raised,
        cards.questions_answered,
        data_sources.channel_code,
        coalesce(data_sources.deadline_mode, 'none') as deadline_mode,
        data_sources.default_regime_code,
        coalesce(data_sources.shows_replies, false) as shows_replies,
        coalesce(clock.time_zone, 'UTC') as time_zone,
        coalesce(clock.calendar_code, 'weekends') as calendar_code
    from records
    left join cards
        on
            records.source_code = 'pos'
            and records.region_code = cards.region_code
            and records.native_id = cards.native_id
    left join data_sources on records.source_code = data_sources.source_code
    left join clock on records.region_code = clock.region_code
),

spellings as (
    {{ spelling_keys('joined', [
        'topic', 'fact', 'subcategory', 'category', 'body', 'received_body', 'municipality_label'
    ]) }}
),

normalised as (
    select
        joined.*,
        topics.spelling_key as topic_key,
        facts.spelling_key as fact_key,
        subcategories.spelling_key as subcategory_key,
        categories.spelling_key as category_key,
        bodies.spelling_key as body_key,
        received_bodies.spelling_key as received_body_key,
        municipalities.spelling_key as municipality_label_key
    from joined
    left join spellings as topics on joined.topic = topics.spelling
    left join spellings as facts on joined.fact = facts.spelling
    left join spellings as subcategories on joined.subcategory = subcategories.spelling
    left join spellings as categories on joined.category = categories.spelling
    left join spellings as bodies on joined.body = bodies.spelling
    left join spellings as received_bodies on joined.received_body = received_bodies.spelling
    left join spellings as municipalities on joined.municipality_label = municipalities.spelling
)

select
    -- keys
    record_key as case_id,
    source_code,
    region_code,
    native_id,
    external_number,
    parent_native_id,
    full_applicant_key as applicant_key,
    -- what it is
    kind,
    channel_code,
    channel as channel_label,
    deadline_mode,
    case
        when is_59fz or regime ~ '59' then 'fz59'
        else default_regime_code
    end as regime_code,
    is_fast_track,
    case_priority,
    shows_replies,
    is_by_body,
    is_deleted,
    is_deleted_at_source,
    -- times
    time_zone,
    calendar_code,
    received_at,
    received_has_time,
    (received_at at time zone time_zone)::date as received_date,
    -- A date without a time means the whole local day.
    case
        when due_has_time then due_at
        else {{ end_of_day('(due_at at time zone time_zone)::date', 'time_zone') }}
    end as due_at,
    source_due_at,
    closed_at,
    closed_has_time,
    -- state
    is_closed,
    is_reopened,
    status,
    stage,
    source_verdict,
    source_exclusion_code,
    rating,
    questions_raised,
    questions_answered,
    -- labels
    topic as topic_name,
    category as category_name,
    coalesce(topic_key, fact_key, subcategory_key) as topic_key,
    category_key,
    coalesce(body, received_body) as body_label,
    case when body is not null then body_key else received_body_key end as body_key,
    received_body as received_body_label,
    case when received_body is not null then received_body_key else body_key end
        as received_body_key,
    municipality_label,
    municipality_label_key as municipality_key,
    -- content
    full_text as message_text,
    full_reply as reply_text,
    case
        when btrim(full_reply) <> '' then encode(sha256(convert_to(full_reply, 'UTF8')), 'hex')
    end as reply_hash,
    -- Of an erased text the hashes are kept: it finds its block and its duplicates as before.
    case
        when btrim(full_text) <> '' then encode(sha256(convert_to(full_text, 'UTF8')), 'hex')
        else full_erased_text_hash
    end as text_hash,
    -- Shorter texts ("Спасибо!") are alike by chance.
    case
        when length(letters) >= 40 then encode(sha256(convert_to(letters, 'UTF8')), 'hex')
        when full_text is null then full_erased_normalised_text_hash
    end as normalised_text_hash,
    -- place
    full_address as address,
    full_latitude as latitude,
    full_longitude as longitude,
    -- changes
    observed_at,
    source_changed_at,
    load_id,
    -- what the body says it did
    resolution_label
from normalised
