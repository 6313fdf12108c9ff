{{ config(
    materialized='incremental',
    incremental_strategy='by_change',
    unique_key='applicant_key',
    pre_hook="{{ collect_redo('applicant_key', told_by='int_case_filings') }}",
    indexes=[
        {'columns': ['applicant_key']},
        {'columns': ['case_id']},
        {'columns': ['duplicate_of_case_id']},
        {'columns': ['found_at']},
        {'columns': ['is_current']},
    ],
    meta={'keeps_before': true},
) }}
-- The same text of the same person, sent again before it was answered: a duplicate and no repeat, also
-- where the term has passed (DOMAIN 5.4). Copies in other channels have left already (int_case_duplicates).
with filed as (
    select
        case_id,
        region_code,
        applicant_key,
        normalised_text_hash,
        received_at,
        first_answered_at
    from {{ ref('int_case_filings') }}
    where
        is_current
        and applicant_key is not null
        and normalised_text_hash is not null
        and {{ is_redone('applicant_key', 'applicant_key') }}
),

-- A copy is answered with the text, whichever of its cases the answer was given to.
waiting as (
    select
        filed.case_id,
        filed.region_code,
        filed.applicant_key,
        filed.normalised_text_hash,
        filed.received_at,
        coalesce(min(answers.first_answered_at), 'infinity') as waited_until
    from filed
    left join filed as answers
        on
            filed.region_code = answers.region_code
            and filed.applicant_key = answers.applicant_key
            and filed.normalised_text_hash = answers.normalised_text_hash
            and filed.received_at <= answers.first_answered_at
    group by
        filed.case_id,
        filed.region_code,
        filed.applicant_key,
        filed.normalised_text_hash,
        filed.received_at
)

select distinct on (later.case_id)
    later.case_id,
    later.applicant_key,
    earlier.case_id as duplicate_of_case_id,
    {{ moment_of_run() }} as found_at,
    true as is_current
from filed as later
inner join waiting as earlier
    on
        later.region_code = earlier.region_code
        and later.applicant_key = earlier.applicant_key
        and later.normalised_text_hash = earlier.normalised_text_hash
        and (earlier.received_at, earlier.case_id) < (later.received_at, later.case_id)
        and later.received_at <= earlier.waited_until
order by later.case_id, earlier.received_at, earlier.case_id
