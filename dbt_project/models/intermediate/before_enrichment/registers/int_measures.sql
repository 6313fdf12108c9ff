-- Everything that somebody undertook to do, in one shape: advice and measures, problem questions with
-- their orders, decisions taken with citizens. The state is as of the region's moment; late is
-- computed (DOMAIN 5.17): the term has passed and it is neither done nor cancelled.
with measures as (
    select * from {{ ref('stg_measures') }}
    where not is_deleted
),

orders as (
    select * from {{ ref('stg_orders') }}
    where not is_deleted and raised_on is not null
),

votes as (
    select * from {{ ref('int_votes') }}
    where decision_state_code <> 'none'
),

clock as (
    select * from {{ ref('int_region_clock') }}
),

block_labels as (
    select * from {{ ref('int_block_labels') }}
),

body_names as (
    select * from {{ ref('int_body_names') }}
),

municipality_names as (
    select * from {{ ref('int_municipality_names') }}
),

register_values as (
    select * from {{ ref('register_values') }}
),

written as (
    select
        measures.record_key,
        measures.region_code,
        'measures' as register_code,
        measures.native_id as measure_number,
        measures.kind_code as measure_kind_code,
        measures.title,
        measures.cause,
        measures.topic as topic_label,
        measures.block_label,
        measures.municipality_label,
        measures.place,
        measures.body_label,
        measures.order_number,
        null as protocol_number,
        null as basis_code,
        null as level_code,
        measures.planned_start_on as raised_on,
        measures.due_on,
        measures.started_on,
        measures.completed_on,
        measures.cancelled_on,
        measures.cancel_reason,
        measures.state_code as register_state_code,
        measures.state_code
    from measures
    union all
    select
        orders.record_key,
        orders.region_code,
        'orders' as register_code,
        orders.native_id as measure_number,
        'order' as measure_kind_code,
        coalesce(orders.order_text, orders.question) as title,
        orders.question as cause,
        orders.topic as topic_label,
        orders.block_label,
        orders.municipality_label,
        orders.place,
        orders.body_label,
        null as order_number,
        orders.protocol_number,
        orders.basis_code,
        orders.level_code,
        orders.raised_on,
        orders.due_on,
        orders.protocol_on as started_on,
        orders.done_on as completed_on,
        null as cancelled_on,
        orders.removal_reason as cancel_reason,
        orders.state_code as register_state_code,
        case orders.state_code
            when 'ordered' then 'active'
            when 'done' then 'done'
            when 'removed' then 'cancelled'
            else 'planned'
        end as state_code
    from orders
    union all
    select
        votes.record_key,
        votes.region_code,
        'votes' as register_code,
        votes.vote_number as measure_number,
        'decision' as measure_kind_code,
        coalesce(votes.decision, votes.title) as title,
        votes.title as cause,
        votes.topic_label,
        votes.block_label,
        votes.municipality_label,
        votes.place,
        votes.body_label,
        null as order_number,
        null as protocol_number,
        null as basis_code,
        null as level_code,
        votes.decided_on as raised_on,
        votes.due_on,
        votes.decided_on as started_on,
        votes.implemented_on as completed_on,
        null as cancelled_on,
        null as cancel_reason,
        votes.decision_state_code as register_state_code,
        case votes.decision_state_code
            when 'implemented' then 'done'
            when 'in_progress' then 'active'
            else 'planned'
        end as state_code
    from votes
),

known as (
    select
        written.*,
        clock.as_of_date,
        case
            when
                written.state_code = 'cancelled'
                and coalesce(written.cancelled_on <= clock.as_of_date, true)
                then 'cancelled'
            when
                written.state_code = 'done'
                and coalesce(written.completed_on <= clock.as_of_date, true)
                then 'done'
            when written.state_code = 'planned' then 'planned'
            when written.started_on > clock.as_of_date then 'planned'
            -- Cancelled later than the report and never begun.
            when written.state_code = 'cancelled' and written.started_on is null then 'planned'
            else 'active'
        end as state_known
    from written
    inner join clock on written.region_code = clock.region_code
    where
        written.register_code = 'measures'
        or written.raised_on <= clock.as_of_date
)

select
    known.record_key,
    known.region_code,
    known.register_code,
    known.measure_number,
    known.measure_kind_code,
    kinds.value_name as measure_kind_name,
    known.title,
    known.cause,
    known.topic_label,
    {{ match_key('known.topic_label') }} as topic_key,
    block_labels.block_code,
    known.block_label,
    municipality_names.municipality_code,
    known.municipality_label,
    known.place,
    body_names.body_code,
    known.body_label,
    known.order_number,
    known.protocol_number,
    bases.value_name as basis_name,
    levels.value_name as level_name,
    known.raised_on,
    known.due_on,
    case when known.started_on <= known.as_of_date then known.started_on end as started_on,
    case when known.state_known = 'done' then known.completed_on end as completed_on,
    case when known.state_known = 'cancelled' then known.cancelled_on end as cancelled_on,
    case when known.state_known = 'cancelled' then known.cancel_reason end as cancel_reason,
    register_states.value_name as register_state_name,
    case
        when known.state_known in ('planned', 'active') and known.due_on < known.as_of_date
            then 'late'
        else known.state_known
    end as state_code,
    known.as_of_date
from known
{{ join_block('known') }}
{{ join_municipality('known') }}
{{ join_body('known') }}
{{ join_value('kinds', 'known.measure_kind_code', 'measures', 'kind') }}
left join register_values as register_states
    on
        known.register_code = register_states.register_code
        and register_states.field in ('state', 'decision_state')
        and known.register_state_code = register_states.value_code
{{ join_value('bases', 'known.basis_code', 'orders', 'basis') }}
{{ join_value('levels', 'known.level_code', 'orders', 'level') }}
