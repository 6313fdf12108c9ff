{{ config(
    materialized='incremental',
    incremental_strategy='by_change',
    unique_key='case_id',
    pre_hook="{{ collect_redo() }}",
    indexes=[
        {'columns': ['case_id']},
        {'columns': ['found_at']},
        {'columns': ['is_current']},
        {'columns': ['applicant_key']},
        {'columns': ['object_topic_key']},
        {'columns': ['place_topic_key']},
        {'columns': ['region_code', 'first_answered_at']},
    ],
    meta={'by_moment': true, 'keeps_before': true},
) }}
-- Every case that had been filed by the report's moment, with what tells whether another one is about
-- the same thing, and with its first and last answer. Duplicates, deleted, withdrawn and rejected
-- cases are out (DOMAIN 5.1). What a case was before it changed stays beside it (`is_current`): what
-- recurs is looked for anew there too.
with cases as (
    select
        case_id,
        region_code,
        source_code,
        channel_code,
        kind,
        received_at,
        received_date,
        applicant_key,
        body_key,
        text_hash,
        normalised_text_hash,
        time_zone,
        as_of
    from {{ ref('int_cases') }}
    where
        not is_deleted
        and not is_deleted_at_source
        and received_at <= as_of
        and {{ is_redone('case_id') }}
),

cycles as (
    select
        case_id,
        cycle_no,
        due_at,
        exclusion_code,
        -- Closed at a time that nobody knows is closed all the same.
        (not is_closed or coalesce(closed_at > as_of, false)) and exclusion_code is null as is_open
    from {{ ref('int_deadlines') }}
    where coalesce(is_opened, true) and {{ is_redone('case_id') }}
),

attributes as (
    select * from {{ ref('int_case_attributes') }}
    where {{ is_redone('case_id') }}
),

objects as (
    select * from {{ ref('int_case_objects') }}
    where {{ is_redone('case_id') }}
),

resolutions as (
    select * from {{ ref('int_resolutions') }}
),

body_names as (
    select * from {{ ref('int_body_names') }}
),

answers as (
    select * from {{ ref('int_answered_cycles') }}
    where {{ is_redone('case_id') }}
),

handled as (
    select
        case_id,
        (array_agg(due_at order by cycle_no))[1] as first_due_at,
        (array_agg(is_open order by cycle_no desc))[1] as is_open
    from cycles
    group by case_id
    having bool_or(exclusion_code is null)
),

answered as (
    select
        case_id,
        count(*) as answered_cycles,
        (array_agg(answered_at order by cycle_no))[1] as first_answered_at,
        (array_agg(answered_date order by cycle_no))[1] as first_answered_date,
        (array_agg(body_code order by cycle_no))[1] as first_answered_by,
        (array_agg(answered_at order by cycle_no desc))[1] as last_answered_at,
        (array_agg(answered_date order by cycle_no desc))[1] as last_answered_date,
        (array_agg(body_code order by cycle_no desc))[1] as last_answered_by
    from answers
    group by case_id
)

select
    cases.case_id,
    cases.region_code,
    cases.source_code,
    cases.channel_code,
    -- An account of a social network tells nothing of the person whom other channels know.
    cases.kind in ('post', 'comment') as is_public,
    cases.received_at,
    cases.received_date,
    cases.applicant_key,
    cases.text_hash,
    cases.normalised_text_hash,
    cases.time_zone,
    attributes.block_code,
    attributes.topic_code,
    attributes.municipality_code,
    body_names.body_code,
    objects.object_kind,
    objects.object_key,
    objects.house_key,
    objects.cell_row,
    objects.cell_column,
    objects.latitude,
    objects.longitude,
    objects.street_name,
    case
        when objects.object_kind in ('house', 'point', 'street') and attributes.topic_code is not null
            then {{ object_topic_key(
                'cases.region_code', 'attributes.topic_code', 'objects.object_key'
            ) }}
    end as object_topic_key,
    case
        when objects.cell_row is not null and attributes.topic_code is not null
            then {{ place_topic_key(
                'cases.region_code', 'attributes.topic_code', 'objects.cell_row',
                'objects.cell_column'
            ) }}
    end as place_topic_key,
    handled.first_due_at,
    handled.is_open,
    coalesce(answered.answered_cycles, 0) as answered_cycles,
    answered.first_answered_at,
    answered.first_answered_date,
    answered.first_answered_by,
    answered.last_answered_at,
    answered.last_answered_date,
    answered.last_answered_by,
    -- What a body says it did, it says with its last answer.
    answered.case_id is not null and coalesce(resolutions.is_solved, false) as is_solved,
    {{ moment_of_run() }} as found_at,
    true as is_current
from cases
inner join handled on cases.case_id = handled.case_id
inner join attributes on cases.case_id = attributes.case_id
inner join objects on cases.case_id = objects.case_id
left join resolutions on attributes.resolution_code = resolutions.resolution_code
left join answered on cases.case_id = answered.case_id
left join body_names
    on cases.region_code = body_names.region_code and cases.body_key = body_names.body_key
