-- Votes and public discussions as of the region's moment: a decision taken later is not known yet.
with votes as (
    select * from {{ ref('stg_votes') }}
    where not is_deleted and started_on is not null
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

register_values as (
    select * from {{ ref('register_values') }}
),

known as (
    select
        votes.*,
        clock.as_of,
        clock.as_of_date,
        case
            when votes.started_on > clock.as_of_date then 'announced'
            -- The last day belongs to the vote.
            when votes.ended_on < clock.as_of_date then 'finished'
            else 'running'
        end as vote_state_code,
        case
            when votes.decision_state_code = 'none' or votes.decided_on > clock.as_of_date
                then 'none'
            when
                votes.decision_state_code = 'implemented'
                and votes.implemented_on > clock.as_of_date
                then 'in_progress'
            else votes.decision_state_code
        end as decision_state_known
    from votes
    inner join clock on votes.region_code = clock.region_code
)

select
    known.record_key,
    known.region_code,
    known.native_id as vote_number,
    known.title,
    known.kind_code,
    kinds.value_name as kind_name,
    known.topic as topic_label,
    block_labels.block_code,
    known.block_label,
    municipality_names.municipality_code,
    known.municipality_label,
    known.place,
    known.platform,
    known.started_on,
    known.ended_on,
    known.vote_state_code,
    known.participants,
    known.proposals,
    known.leading_option,
    known.leading_votes,
    known.decision_state_known as decision_state_code,
    decision_states.value_name as decision_state_name,
    case when known.decision_state_known <> 'none' then known.decision end as decision,
    case when known.decision_state_known <> 'none' then known.decided_on end as decided_on,
    case when known.decision_state_known <> 'none' then known.body_label end as body_label,
    case when known.decision_state_known <> 'none' then known.due_on end as due_on,
    case when known.decision_state_known = 'implemented' then known.implemented_on end
        as implemented_on,
    known.url,
    known.as_of_date
from known
{{ join_block('known') }}
{{ join_municipality('known') }}
{{ join_value('kinds', 'known.kind_code', 'votes', 'kind') }}
{{ join_value('decision_states', 'known.decision_state_known', 'votes', 'decision_state') }}
