-- Requests of the ministry and of the ANO that had come by the region's moment, with their answers.
with requests as (
    select * from {{ ref('stg_information_requests') }}
    where not is_deleted and received_on is not null
),

clock as (
    select * from {{ ref('int_region_clock') }}
),

body_names as (
    select * from {{ ref('int_body_names') }}
),

register_values as (
    select * from {{ ref('register_values') }}
),

known as (
    select
        requests.*,
        clock.as_of_date,
        case when requests.answered_on <= clock.as_of_date then requests.answered_on end
            as answered_known_on
    from requests
    inner join clock
        on requests.region_code = clock.region_code and requests.received_on <= clock.as_of_date
)

select
    known.record_key,
    known.region_code,
    known.native_id as request_number,
    known.requester_code,
    requesters.value_name as requester_name,
    known.kind_code,
    kinds.value_name as kind_name,
    known.subject,
    known.received_on,
    known.due_on,
    body_names.body_code,
    known.body_label,
    known.answered_known_on as answered_on,
    case when known.answered_known_on is not null then known.answer_number end as answer_number,
    case
        when known.due_on is null then 'without_term'
        when known.answered_known_on <= known.due_on then 'in_time'
        when known.answered_known_on is not null then 'late'
        when known.due_on < known.as_of_date then 'missing'
        else 'not_due'
    end as delivery_state_code,
    coalesce(known.answered_known_on, known.as_of_date) - known.due_on as days_over_term,
    known.as_of_date
from known
{{ join_body('known') }}
{{ join_value('requesters', 'known.requester_code', 'information_requests', 'requester') }}
{{ join_value('kinds', 'known.kind_code', 'information_requests', 'kind') }}
