{{ config(
    materialized='incremental',
    incremental_strategy='by_change',
    unique_key='case_id',
    on_schema_change='fail',
    pre_hook=[
        "{{ note_renamed('int_bodies', 'body_code', {'body_name': 'body_name'}) }}",
        "{{ collect_redo() }}",
    ],
    indexes=[
        {'columns': ['case_id'], 'unique': true},
        {'columns': ['region_code', 'received_date']},
        {'columns': ['body_code', 'body_name']},
        {'columns': ['region_code', 'topic_code']},
    ],
    meta={'by_moment': true},
) }}
-- A case that had not come yet by the moment of the build before is noted with the verdicts.
{{ comes_after('int_verdicts') }}
with cases as (
    select * from {{ ref('int_cases') }}
    where {{ is_redone('case_id') }}
),

ledger as (
    select * from {{ ref('int_case_ledger') }}
    where case_id is not null and {{ is_redone('case_id') }}
),

attributes as (
    select * from {{ ref('int_case_attributes') }}
    where {{ is_redone('case_id') }}
),

body_names as (
    select * from {{ ref('int_body_names') }}
),

bodies as (
    select * from {{ ref('int_bodies') }}
),

objects as (
    select * from {{ ref('int_case_objects') }}
    where {{ is_redone('case_id') }}
),

ratings as (
    select * from {{ ref('int_case_ratings') }}
    where {{ is_redone('case_id') }}
),

merged as (
    select
        duplicate_of_case_id as case_id,
        count(*)::int as merged_duplicates
    from {{ ref('int_case_ledger') }}
    where ledger_state = 'merged_duplicate' and {{ is_redone('duplicate_of_case_id') }}
    group by duplicate_of_case_id
)

select
    cases.case_id,
    cases.region_code,
    cases.source_code,
    cases.channel_code,
    cases.native_id,
    cases.received_at,
    cases.received_date,
    cases.closed_at,
    cases.is_closed,
    ledger.ledger_state in ('vanished_at_source', 'deleted_at_source') as is_deleted,
    cases.received_at is not null as has_date,
    cases.kind as case_kind,
    attributes.block_code,
    attributes.block_decided_by,
    round(attributes.block_probability, 4) as block_probability,
    attributes.model_block_code,
    round(attributes.model_block_probability, 4) as model_block_probability,
    attributes.model_version,
    cases.topic_name,
    cases.category_name,
    body_names.body_code,
    coalesce(bodies.body_name, cases.body_label) as body_name,
    bodies.body_kind_code,
    attributes.municipality_code,
    attributes.municipality_decided_by,
    cases.applicant_key,
    cases.regime_code,
    cases.is_fast_track,
    attributes.is_fast_track_eligible,
    ratings.last_rating as rating,
    cases.questions_raised,
    cases.questions_answered,
    cases.status,
    coalesce(merged.merged_duplicates, 0) as merged_duplicates,
    attributes.text_masked,
    coalesce(cases.received_at <= cases.as_of, false) as is_received,
    attributes.topic_code,
    attributes.topic_title,
    attributes.topic_group,
    objects.object_kind,
    objects.object_key,
    objects.street_name,
    attributes.resolution_code,
    ratings.first_rating
from cases
inner join ledger on cases.case_id = ledger.case_id
inner join attributes on cases.case_id = attributes.case_id
left join body_names
    on cases.region_code = body_names.region_code and cases.body_key = body_names.body_key
left join bodies on body_names.body_code = bodies.body_code
inner join objects on cases.case_id = objects.case_id
left join ratings on cases.case_id = ratings.case_id
left join merged on cases.case_id = merged.case_id
