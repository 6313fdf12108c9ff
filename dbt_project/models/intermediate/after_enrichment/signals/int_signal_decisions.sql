{{ config(materialized='view') }}
-- What people decided about signals. A key names the series and the day on which the signal opened:
-- should later data move that day, the decision still finds the signal that was open on it.
with decisions as (
    select * from {{ ref('stg_risk_decisions') }}
    where not is_deleted and decision is not null
),

clock as (
    select * from {{ ref('int_region_clock') }}
),

days as (
    select calendar_date from {{ ref('int_calendar') }}
    where calendar_code = 'ru'
),

parsed as (
    select
        decisions.*,
        string_to_array(decisions.signal_key, '/') as parts
    from decisions
)

select
    parsed.record_key as decision_id,
    parsed.region_code,
    parsed.signal_key,
    parsed.parts[2] as block_code,
    parsed.parts[3] as municipality_key,
    parsed.parts[4] as source_code,
    days.calendar_date as opened_date,
    parsed.proposal,
    parsed.decision,
    parsed.decided_at
from parsed
inner join clock on parsed.region_code = clock.region_code
-- What people type may be no key at all: such a row decides nothing.
inner join days on parsed.parts[5] = days.calendar_date::text
where
    cardinality(parsed.parts) = 5
    and parsed.parts[1] = parsed.region_code
    and parsed.decided_at <= clock.as_of
