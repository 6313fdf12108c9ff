{{ config(
    indexes=[
        {'columns': ['region_code', 'started_on']},
        {'columns': ['block_code']},
    ]
) }}
with votes as (
    select
        *,
        kind_code = 'vote' as is_vote
    from {{ ref('int_votes') }}
),

regions as (
    select * from {{ ref('dim_regions') }}
),

blocks as (
    select * from {{ ref('dim_blocks') }}
),

municipalities as (
    select * from {{ ref('dim_municipalities') }}
),

modules as (
    select
        region_code,
        module_label
    from {{ ref('dim_region_modules') }}
    where module_code = 'votes'
)

select
    votes.region_code,
    regions.region_name,
    votes.vote_number,
    votes.title,
    votes.kind_code,
    votes.kind_name,
    votes.block_code,
    coalesce(blocks.block_name, votes.block_label, 'Не указан') as block_name,
    votes.municipality_code,
    coalesce(
        municipalities.municipality_name, votes.municipality_label, 'Весь регион'
    ) as municipality_name,
    votes.platform,
    votes.started_on,
    votes.ended_on,
    case votes.vote_state_code
        when 'announced' then 'объявлено'
        when 'running' then 'идёт'
        when 'finished' then 'завершено'
    end as vote_state,
    votes.participants,
    votes.proposals,
    votes.leading_option,
    votes.leading_votes,
    case
        when votes.vote_state_code = 'finished' and votes.is_vote and votes.participants > 0
            then round(votes.leading_votes::numeric / votes.participants, 4)
    end as leading_share,
    case
        when not votes.is_vote then 'обсуждение: голоса не считаются'
        when votes.vote_state_code <> 'finished' then 'голосование не завершено'
        when votes.participants is null or votes.leading_votes is null then 'итоги не внесены'
        when votes.participants = 0 then 'никто не участвовал'
    end as not_computed_reason,
    votes.decision,
    votes.decision_state_code,
    votes.decision_state_name,
    votes.decided_on,
    votes.implemented_on,
    votes.decided_on - votes.ended_on as days_to_decision,
    votes.implemented_on - votes.decided_on as days_to_implementation,
    votes.url,
    votes.record_key,
    -- A module that no row names is asked for by no act.
    coalesce(modules.module_label, 'вне положения') as module_label,
    regions.as_of,
    '{{ var("metric_version") }}' as metric_version,
    '{{ config_version() }}' as config_version
from votes
inner join regions on votes.region_code = regions.region_code
left join modules on votes.region_code = modules.region_code
left join blocks on votes.block_code = blocks.block_code
left join municipalities on votes.municipality_code = municipalities.municipality_code
