-- Risks of projects that had been found by the region's moment.
with risks as (
    select * from {{ ref('stg_project_risks') }}
    where not is_deleted and identified_on is not null
),

clock as (
    select * from {{ ref('int_region_clock') }}
),

block_labels as (
    select * from {{ ref('int_block_labels') }}
),

register_values as (
    select * from {{ ref('register_values') }}
),

known as (
    select
        risks.*,
        clock.as_of_date,
        case
            when risks.state_code = 'closed' and risks.closed_on > clock.as_of_date
                then case when risks.reviewed_on <= clock.as_of_date then 'mitigated' else 'open' end
            when risks.state_code = 'mitigated' and risks.reviewed_on > clock.as_of_date then 'open'
            else risks.state_code
        end as state_known
    from risks
    inner join clock
        on risks.region_code = clock.region_code and risks.identified_on <= clock.as_of_date
)

select
    known.record_key,
    known.region_code,
    known.project_code,
    substring(known.native_id from '_([^_]*)$') as risk_number,
    block_labels.block_code,
    known.block_label,
    known.risk,
    known.probability_code,
    probabilities.value_name as probability_name,
    known.impact_code,
    impacts.value_name as impact_name,
    -- Low, medium, high are 1, 2, 3; the product tells heavy risks from light ones.
    probabilities.sort_order * impacts.sort_order as risk_score,
    known.mitigation,
    known.identified_on,
    case when known.reviewed_on <= known.as_of_date then known.reviewed_on end as reviewed_on,
    case when known.escalated_on <= known.as_of_date then known.escalated_on end as escalated_on,
    -- The register does not date the decision: it is not known before the question was brought up.
    case when known.escalated_on <= known.as_of_date then known.decision end as decision,
    known.state_known as state_code,
    states.value_name as state_name,
    case when known.state_known = 'closed' then known.closed_on end as closed_on,
    known.as_of_date
from known
{{ join_block('known') }}
{{ join_value('probabilities', 'known.probability_code', 'project_risks', 'probability') }}
{{ join_value('impacts', 'known.impact_code', 'project_risks', 'impact') }}
{{ join_value('states', 'known.state_known', 'project_risks', 'state') }}
