-- Every row that stands in the register of corrections at the region's moment: which case it is about,
-- by the number that the operator wrote, and what it says. What cannot be read is named
-- (`problem_name`), so that nobody takes it for done. A decision about a duplicate is one about the
-- case that survives.
with corrections as (
    select * from {{ ref('stg_corrections') }}
    where not is_deleted
),

data_sources as (
    select * from {{ ref('data_sources') }}
),

ledger as (
    select * from {{ ref('int_case_ledger') }}
),

clock as (
    select * from {{ ref('int_region_clock') }}
),

block_labels as (
    select * from {{ ref('int_block_labels') }}
),

municipality_names as (
    select * from {{ ref('int_municipality_names') }}
),

known as (
    select
        corrections.record_key,
        corrections.region_code,
        corrections.case_native_id,
        coalesce(ledger.case_id, ledger.duplicate_of_case_id) as case_id,
        corrections.field_code,
        corrections.new_value,
        corrections.decided_at,
        case when corrections.field_code = 'block' then corrections.new_value end as block_label,
        case when corrections.field_code = 'municipality' then corrections.new_value end
            as municipality_label
    from corrections
    inner join clock
        on corrections.region_code = clock.region_code and corrections.decided_at <= clock.as_of
    left join data_sources
        on
            {{ match_key('corrections.case_source') }}
            in ({{ match_key('data_sources.source_name') }}, data_sources.source_code)
    left join ledger
        on
            corrections.region_code = ledger.region_code
            and data_sources.source_code = ledger.source_code
            and corrections.case_native_id = ledger.native_id
)

select
    known.record_key,
    known.region_code,
    known.case_native_id,
    known.case_id,
    known.field_code,
    known.new_value,
    known.decided_at,
    block_labels.block_code,
    municipality_names.municipality_code,
    case
        when known.case_id is null then 'обращения с таким номером нет'
        when known.field_code = 'block' and block_labels.block_code is null
            then 'такого блока нет'
        when known.field_code = 'municipality' and municipality_names.municipality_code is null
            then 'такого муниципального образования в регионе нет'
    end as problem_name
from known
{{ join_block('known') }}
{{ join_municipality('known') }}
