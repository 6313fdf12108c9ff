{{ config(
    materialized='incremental',
    incremental_strategy='by_change',
    unique_key='case_id',
    pre_hook="{{ collect_redo(also=touched_links()) }}",
    indexes=[
        {'columns': ['case_id']},
        {'columns': ['original_case_id']},
    ],
) }}
-- Which case repeats another one that came by another channel, and by what evidence.
-- (1) the register names the number of the ПОС message; (2) another source of the region has the same
-- text within seven days. The ПОС case survives, otherwise the earliest.
with {% if is_by_change() -%}
    redone as materialized (
        select
            region_code,
            external_number,
            normalised_text_hash
        from {{ ref('int_case_records') }}
        where {{ is_redone('case_id') }}
    ),

{% endif -%}
cases as (
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
        {%- if is_by_change() %}
            and (
                {{ is_redone('case_id') }}
                or normalised_text_hash = any(array(
                    select redone.normalised_text_hash from redone
                ))
                or (
                    source_code = 'pos'
                    and region_code = any(array(select distinct redone.region_code from redone))
                    and native_id = any(array(select redone.external_number from redone))
                )
            )
        {%- endif %}
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
        and {{ is_redone('cases.case_id', by_hash=true) }}
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
    where not originals.is_gone and {{ is_redone('cases.case_id', by_hash=true) }}
    order by
        cases.case_id,
        originals.survival_order,
        originals.received_at,
        originals.source_code,
        originals.case_id
)

select * from by_number
union all
select by_text.*
from by_text
where not exists (
    select 1 from by_number
    where by_number.case_id = by_text.case_id
)
