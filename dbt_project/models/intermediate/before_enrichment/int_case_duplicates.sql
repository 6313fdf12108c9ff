-- Which case repeats another one that came by another channel, and by what evidence. A duplicate of a
-- duplicate is one of the case that survives.
with recursive links as (
    select * from {{ ref('int_duplicate_links') }}
),

-- Each step goes to a case that survives sooner, so the walk ends.
chains as (
    select
        case_id,
        original_case_id,
        evidence,
        1 as steps
    from links
    union all
    select
        chains.case_id,
        links.original_case_id,
        chains.evidence,
        chains.steps + 1 as steps
    from chains
    inner join links on chains.original_case_id = links.case_id
)

select distinct on (case_id)
    case_id,
    original_case_id as duplicate_of_case_id,
    evidence
from chains
order by case_id asc, steps desc
