{{ config(
    materialized='incremental',
    incremental_strategy='by_cell',
    unique_key='day',
    pre_hook="{{ collect_cells(period='received_date') }}",
    indexes=[
        {'columns': ['region_code', 'block_code', 'day']},
    ],
) }}
-- How many messages of a block came from a place through a source on a day. Reposts are collapsed: the
-- same text counts once a day. A case without a place belongs to the series «-» of its region. Beside them
-- how many cases these are, who found their block, and of a day of five, which can raise an alert, which
-- they are.
with appeals as (
    select
        case_id,
        region_code,
        block_code,
        coalesce(municipality_code, '-') as municipality_key,
        source_code,
        block_decided_by,
        received_date as day
    from {{ ref('fct_appeals') }}
    where
        not is_deleted
        and received_date is not null
        and is_received
        and {{ is_case_of_redone_cell() }}
),

texts as (
    select
        case_id,
        normalised_text_hash
    from {{ ref('int_case_signals') }}
    where {{ is_case_of_redone_cell() }}
)

select
    appeals.region_code,
    appeals.block_code,
    appeals.municipality_key,
    appeals.source_code,
    appeals.day,
    count(distinct coalesce(texts.normalised_text_hash, appeals.case_id::text))::int as messages,
    count(*)::int as cases,
    (count(*) filter (where appeals.block_decided_by in ('topic', 'category')))::int
        as decided_by_source,
    (count(*) filter (where appeals.block_decided_by = 'model'))::int as decided_by_model,
    (count(*) filter (where appeals.block_decided_by = 'operator'))::int as decided_by_operator,
    array_agg(appeals.case_id order by appeals.case_id) filter (
        where appeals.block_code = 'unknown'
    ) as unknown_case_ids,
    case
        when count(distinct coalesce(texts.normalised_text_hash, appeals.case_id::text)) >= 5
            then array_agg(appeals.case_id order by appeals.case_id)
    end as case_ids
from appeals
left join texts on appeals.case_id = texts.case_id
group by
    appeals.region_code,
    appeals.block_code,
    appeals.municipality_key,
    appeals.source_code,
    appeals.day
