{{ config(
    incremental_strategy='in_place',
    indexes=[
        {'columns': ['body_code', 'checked_date']},
    ]
) }}
-- Replies that were checked against the checklist, with the block of the case, because an official sees
-- those of his blocks. Few replies are checked.
with checks as (
    select * from {{ ref('int_checked_replies') }}
    where body_code is not null and case_id is not null
),

attributes as (
    select * from {{ ref('int_case_attributes') }}
)

select
    checks.check_id,
    checks.region_code,
    attributes.block_code,
    checks.body_code,
    checks.case_id,
    checks.checked_date,
    checks.is_passed
from checks
left join attributes on checks.case_id = attributes.case_id
