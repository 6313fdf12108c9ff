-- The comment with which the authors of a thread became twenty within 24 hours (DOMAIN 5.9, C3).
with messages as (
    select
        case_id,
        region_code,
        source_code,
        parent_native_id,
        applicant_key,
        received_at
    from {{ ref('int_cases') }}
    where parent_native_id is not null and applicant_key is not null
),

-- Only threads with enough authors are looked at hour by hour.
threads as (
    select
        region_code,
        source_code,
        parent_native_id
    from messages
    group by region_code, source_code, parent_native_id
    having count(distinct applicant_key) >= 20
),

-- Fewer comments than authors are asked for make no crowd.
heated as (
    select
        messages.*,
        count(*) over (
            partition by messages.region_code, messages.source_code, messages.parent_native_id
            order by messages.received_at
            range between interval '24 hours' preceding and current row
        ) as comments
    from messages
    inner join threads
        on
            messages.region_code = threads.region_code
            and messages.source_code = threads.source_code
            and messages.parent_native_id = threads.parent_native_id
),

crowds as (
    select
        heated.region_code,
        heated.source_code,
        heated.parent_native_id,
        heated.case_id,
        heated.received_at
    from heated
    inner join heated as others
        on
            heated.region_code = others.region_code
            and heated.source_code = others.source_code
            and heated.parent_native_id = others.parent_native_id
            and heated.received_at >= others.received_at
            and heated.received_at - interval '24 hours' < others.received_at
    where heated.comments >= 20
    group by
        heated.region_code,
        heated.source_code,
        heated.parent_native_id,
        heated.case_id,
        heated.received_at
    having count(distinct others.applicant_key) >= 20
)

select distinct on (region_code, source_code, parent_native_id)
    case_id,
    received_at
from crowds
order by
    region_code asc, source_code asc, parent_native_id asc, received_at asc, case_id asc
