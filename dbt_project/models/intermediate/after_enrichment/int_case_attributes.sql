{{ config(
    materialized='incremental',
    incremental_strategy='by_change',
    unique_key='case_id',
    pre_hook=[
        "{{ note_enriched_texts() }}",
        "{{ note_forgotten_texts() }}",
        "{{ note_corrected_cases() }}",
        "{{ note_renamed('int_topics', 'topic_code', topic_names()) }}",
        "{{ collect_redo() }}",
    ],
    indexes=[
        {'columns': ['case_id'], 'unique': true},
        {'columns': ['model_version']},
        {'columns': ['corrections_key']},
        {'columns': ['topic_code', "coalesce(topic_title, '')", "coalesce(topic_group, '')"]},
    ],
    meta={'by_enrichment': true},
) }}
-- Block and municipality of every case that reaches the marts. An operator's decision goes before all
-- else (docs/decisions.md, 81). Then the finest label that the source carries decides the block (topic,
-- then category), and only then the model; the model's own guess is kept beside it. A topic is only
-- ever told by a label.
with cases as (
    select
        case_id,
        source_code,
        region_code,
        text_hash,
        topic_key,
        category_key,
        municipality_key,
        regime_code,
        received_date,
        {{ match_key('resolution_label') }} as resolution_key
    from {{ ref('int_case_records') }}
    where {{ is_redone('case_id') }}
),

ledger as (
    select * from {{ ref('int_case_ledger') }}
    where case_id is not null and {{ is_redone('case_id') }}
),

labels as (
    select * from {{ ref('int_label_blocks') }}
),

named_topics as (
    select
        topic_code,
        topic_name,
        topic_group
    from {{ ref('int_topics') }}
),

municipalities as (
    select * from {{ ref('municipalities') }}
),

fast_track_topics as (
    select * from {{ ref('fast_track_topics') }}
),

-- A source's own reading of a label goes before the common one.
resolutions as (
    select
        source_code,
        {{ match_key('label') }} as resolution_key,
        resolution_code
    from {{ ref('resolution_labels') }}
),

models as (
    select * from {{ source('nlp', 'models') }}
),

enrichments as (
    select * from {{ source('nlp', 'enrichments') }}
),

current_enrichments as (
    select enrichments.*
    from enrichments
    inner join models
        on enrichments.model_version = models.model_version and models.is_current
    where {{ is_of_step('enrichments.text_hash', 'cases', 'text_hash') }}
),

municipality_names as (
    select * from {{ ref('int_municipality_names') }}
),

corrections as (
    select * from {{ ref('int_case_corrections') }}
),

decided as (
    select
        case_id,
        {{ corrections_key() }} as corrections_key
    from corrections
    group by case_id
),

case_topics as (
    select
        cases.case_id,
        cases.region_code,
        cases.received_date,
        topics.block_code,
        coalesce(
            topics.topic_code, {{ own_topic_code('cases.source_code', 'cases.topic_key') }}
        ) as topic_code
    from cases
    left join labels as topics
        on
            cases.source_code = topics.source_code
            and topics.label_kind = 'topic'
            and cases.topic_key = topics.label_key
),

-- What could go the fast way on the day it was filed (DOMAIN 5.7).
eligible as (
    select distinct case_topics.case_id
    from case_topics
    inner join fast_track_topics
        on
            case_topics.topic_code = fast_track_topics.topic_code
            and fast_track_topics.region_code in (case_topics.region_code, '*')
            and {{ in_force('fast_track_topics', 'case_topics.received_date') }}
),

-- A text that names one municipality of its region is placed there; one that names two is not.
named_in_text as (
    select
        cases.case_id,
        min(municipalities.municipality_code) as municipality_code
    from cases
    inner join current_enrichments on cases.text_hash = current_enrichments.text_hash
    cross join lateral unnest(current_enrichments.municipality_codes) as named (municipality_code)
    inner join municipalities
        on
            cases.region_code = municipalities.region_code
            and named.municipality_code = municipalities.municipality_code
    where cases.municipality_key is null
    group by cases.case_id
    having count(distinct municipalities.municipality_code) = 1
)

select
    cases.case_id,
    coalesce(
        corrected_blocks.block_code,
        topics.block_code,
        categories.block_code,
        current_enrichments.block_code,
        'unknown'
    ) as block_code,
    case
        when corrected_blocks.block_code is not null then 'operator'
        when topics.block_code is not null then 'topic'
        when categories.block_code is not null then 'category'
        when current_enrichments.block_code <> 'unknown' then 'model'
        else 'none'
    end as block_decided_by,
    -- A person and a label are certain; the model says how sure it is.
    case
        when
            coalesce(corrected_blocks.block_code, topics.block_code, categories.block_code)
            is not null
            then 1
        else current_enrichments.block_probability
    end::numeric as block_probability,
    current_enrichments.block_code as model_block_code,
    current_enrichments.block_probability::numeric as model_block_probability,
    current_enrichments.model_version,
    current_enrichments.masked_text as text_masked,
    eligible.case_id is not null as is_fast_track_eligible,
    coalesce(
        corrected_places.municipality_code,
        municipality_names.municipality_code,
        named_in_text.municipality_code
    ) as municipality_code,
    case
        when corrected_places.municipality_code is not null then 'operator'
        when municipality_names.municipality_code is not null then 'source'
        when named_in_text.municipality_code is not null then 'text'
        else 'none'
    end as municipality_decided_by,
    topics.topic_code,
    named_topics.topic_name as topic_title,
    named_topics.topic_group,
    coalesce(own_resolutions.resolution_code, common_resolutions.resolution_code)
        as resolution_code,
    decided.corrections_key
from cases
inner join ledger on cases.case_id = ledger.case_id
inner join case_topics as topics on cases.case_id = topics.case_id
left join named_topics on topics.topic_code = named_topics.topic_code
left join eligible on cases.case_id = eligible.case_id
left join resolutions as own_resolutions
    on
        cases.source_code = own_resolutions.source_code
        and cases.resolution_key = own_resolutions.resolution_key
left join resolutions as common_resolutions
    on
        common_resolutions.source_code = '*'
        and cases.resolution_key = common_resolutions.resolution_key
left join labels as categories
    on
        cases.source_code = categories.source_code
        and categories.label_kind = 'category'
        and cases.category_key = categories.label_key
left join current_enrichments on cases.text_hash = current_enrichments.text_hash
left join municipality_names
    on
        cases.region_code = municipality_names.region_code
        and cases.municipality_key = municipality_names.municipality_key
left join named_in_text on cases.case_id = named_in_text.case_id
left join corrections as corrected_blocks
    on cases.case_id = corrected_blocks.case_id and corrected_blocks.field_code = 'block'
left join corrections as corrected_places
    on cases.case_id = corrected_places.case_id and corrected_places.field_code = 'municipality'
left join decided on cases.case_id = decided.case_id
