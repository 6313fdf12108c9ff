-- Which case repeats another one that came by another channel, and by what evidence.
-- (1) the register names the number of the ПОС message; (2) another source of the region has the same
-- text within seven days. The ПОС case survives, otherwise the earliest.
with recursive cases as (
    select
        case_id,
        region_code,
        source_code,
        native_id,
        external_number,
        received_at,
        normalised_text_hash,
        (source_code <> 'pos')::int as survival_order,
        is_deleted or is_deleted_at_source as is_gone
    from {{ ref('int_case_records') }}
    where
        not is_by_body
        and kind in ('appeal', 'request', 'post', 'comment')
),

by_number as (
    select
        cases.case_id,
        originals.case_id as original_case_id,
        'cross_channel_number' as evidence
    from cases
    inner join cases as originals
        on
            cases.region_code = originals.region_code
            and cases.external_number = originals.native_id
            and originals.source_code = 'pos'
    where
        cases.source_code <> 'pos'
        and not originals.is_gone
),

by_text as (
    select distinct on (cases.case_id)
        cases.case_id,
        originals.case_id as original_case_id,
        'same_text' as evidence
    from cases
    inner join cases as originals
        on
            cases.region_code = originals.region_code
            and cases.normalised_text_hash = originals.normalised_text_hash
            and cases.source_code <> originals.source_code
            and originals.received_at
            between cases.received_at - interval '7 days' and cases.received_at + interval '7 days'
            and (
                originals.survival_order,
                originals.received_at,
                originals.source_code,
                originals.case_id
            ) < (cases.survival_order, cases.received_at, cases.source_code, cases.case_id)
    where not originals.is_gone
    order by
        cases.case_id,
        originals.survival_order,
        originals.received_at,
        originals.source_code,
        originals.case_id
),

found as (
    select * from by_number
    union all
    select by_text.*
    from by_text
    where not exists (
        select 1 from by_number
        where by_number.case_id = by_text.case_id
    )
),

-- A duplicate of a duplicate is one of the case that survives. Each step goes to a case that survives
-- sooner, so the walk ends.
chains as (
    select
        case_id,
        original_case_id,
        evidence,
        1 as steps
    from found
    union all
    select
        chains.case_id,
        found.original_case_id,
        chains.evidence,
        chains.steps + 1 as steps
    from chains
    inner join found on chains.original_case_id = found.case_id
)

select distinct on (case_id)
    case_id,
    original_case_id as duplicate_of_case_id,
    evidence
from chains
order by case_id asc, steps desc
