-- Replies that were checked against the checklist, with the body and the case they belong to.
with checks as (
    select * from {{ ref('stg_checked_replies') }}
    where not is_deleted and checked_at is not null and is_passed is not null
),

body_names as (
    select * from {{ ref('int_body_names') }}
),

-- Few bodies are checked many times.
checked_bodies as (
    select
        spelled.region_code,
        spelled.body,
        body_names.body_code
    from (
        select distinct
            region_code,
            body,
            {{ match_key('body') }} as body_key
        from checks
    ) as spelled
    inner join body_names
        on spelled.region_code = body_names.region_code and spelled.body_key = body_names.body_key
),

tenures as (
    select * from {{ ref('int_body_tenures') }}
),

ledger as (
    select
        record_key,
        region_code,
        native_id,
        source_code,
        case_id,
        duplicate_of_case_id
    from {{ ref('int_case_ledger') }}
),

checked as (
    select distinct
        region_code,
        case_native_id
    from checks
),

clock as (
    select * from {{ ref('int_region_clock') }}
),

numbers as (
    -- A number may occur in two systems of a region: the federal platform goes first.
    select distinct on (ledger.region_code, ledger.native_id)
        ledger.region_code,
        ledger.native_id,
        coalesce(ledger.case_id, ledger.duplicate_of_case_id) as case_id
    from ledger
    inner join checked
        on ledger.region_code = checked.region_code and ledger.native_id = checked.case_native_id
    order by
        ledger.region_code asc,
        ledger.native_id asc,
        (ledger.source_code <> 'pos') asc,
        ledger.source_code asc,
        ledger.record_key asc
)

select
    checks.record_key as check_id,
    checks.region_code,
    checks.native_id,
    numbers.case_id,
    coalesce(tenures.legal_body_code, checked_bodies.body_code) as body_code,
    checks.checked_at,
    (checks.checked_at at time zone clock.time_zone)::date as checked_date,
    checks.is_passed
from checks
inner join clock
    on checks.region_code = clock.region_code and checks.checked_at <= clock.as_of
left join checked_bodies
    on checks.region_code = checked_bodies.region_code and checks.body = checked_bodies.body
left join tenures
    on
        checked_bodies.body_code = tenures.body_code
        and (checks.checked_at at time zone clock.time_zone)::date
        >= coalesce(tenures.valid_from, '-infinity')
        and (checks.checked_at at time zone clock.time_zone)::date
        < coalesce(tenures.valid_to, 'infinity')
left join numbers
    on
        checks.region_code = numbers.region_code
        and checks.case_native_id = numbers.native_id
