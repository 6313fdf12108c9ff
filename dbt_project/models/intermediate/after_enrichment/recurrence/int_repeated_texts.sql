-- The same text of the same person, sent again before it was answered: a duplicate and no repeat
-- (DOMAIN 5.4). Copies in other channels have left already (int_case_duplicates).
with filed as (
    select
        case_id,
        region_code,
        applicant_key,
        normalised_text_hash,
        received_at,
        coalesce(least(first_answered_at, first_due_at), 'infinity') as waited_until
    from {{ ref('int_filed_cases') }}
    where applicant_key is not null and normalised_text_hash is not null
)

select distinct on (later.case_id)
    later.case_id,
    earlier.case_id as duplicate_of_case_id
from filed as later
inner join filed as earlier
    on
        later.region_code = earlier.region_code
        and later.applicant_key = earlier.applicant_key
        and later.normalised_text_hash = earlier.normalised_text_hash
        and (earlier.received_at, earlier.case_id) < (later.received_at, later.case_id)
        and later.received_at <= earlier.waited_until
order by later.case_id, earlier.received_at, earlier.case_id
