{{ config(materialized='ephemeral') }}
-- What the enabled sources promise, by name, and when each last came. Ephemeral, and made of seeds
-- and the ledger alone: a view over models that are built again would go with the old ones.
with expected_loads as (
    select * from {{ source('ops', 'expected_loads') }}
),

loads as (
    select * from {{ source('ops', 'loads') }}
),

regions as (
    select * from {{ ref('regions') }}
    where valid_to is null
),

data_sources as (
    select * from {{ ref('data_sources') }}
),

record_kinds as (
    select * from {{ ref('record_kinds') }}
),

-- A replay reads what lies in quarantine: nothing new came from the source.
last_loads as (
    select
        source_code,
        entity,
        region_code,
        max(finished_at) as last_loaded_at
    from loads
    where outcome = 'success' and withdrawn_at is null and run_id not like 'replay%'
    group by source_code, entity, region_code
)

select
    expected_loads.source_code,
    coalesce(data_sources.source_name, expected_loads.source_name) as source_name,
    expected_loads.entity as entity_code,
    coalesce(record_kinds.record_kind_name, expected_loads.record_kind) as record_kind_name,
    expected_loads.region_code,
    coalesce(regions.region_name, expected_loads.region_code) as region_name,
    expected_loads.owner,
    expected_loads.warn_hours,
    expected_loads.error_hours,
    last_loads.last_loaded_at,
    -- A source that never came is waited for since it was declared.
    coalesce(last_loads.last_loaded_at, expected_loads.declared_at) as waiting_since
from expected_loads
left join record_kinds on expected_loads.record_kind = record_kinds.record_kind
left join last_loads
    on
        expected_loads.source_code = last_loads.source_code
        and expected_loads.entity = last_loads.entity
        and expected_loads.region_code = last_loads.region_code
left join regions on expected_loads.region_code = regions.region_code
left join data_sources on expected_loads.source_code = data_sources.source_code
