{{ config(
    indexes=[
        {'columns': ['region_code', 'quarter_date']},
        {'columns': ['block_code', 'quarter_date']},
    ]
) }}
{%- set least_answered = 30 -%}
{%- set fast_enough = 0.7 -%}
{%- set z = 1.96 %}
with practices as (
    select * from {{ ref('int_body_topic_quarters') }}
),

regions as (
    select * from {{ ref('dim_regions') }}
),

region_modules as (
    select * from {{ ref('dim_region_modules') }}
    where module_code = 'best_practices'
),

blocks as (
    select * from {{ ref('dim_blocks') }}
),

topics as (
    select * from {{ ref('dim_topics') }}
),

bodies as (
    select * from {{ ref('dim_bodies') }}
),

-- Peers: other bodies of the same kind with the same topic; where there are none, of any kind.
summed as (
    select
        practices.*,
        bodies.body_name,
        bodies.body_kind_code,
        bodies.body_kind_name,
        sum(practices.ratios) over kinds - practices.ratios as kind_ratios,
        sum(practices.ratios * practices.ratio_p50) over kinds
        - practices.ratios * practices.ratio_p50 as kind_ratio_sum,
        sum(practices.due_cycles) over kinds - practices.due_cycles as kind_due,
        sum(practices.on_time) over kinds - practices.on_time as kind_on_time,
        sum(practices.answered_cycles) over kinds - practices.answered_cycles as kind_answered,
        sum(practices.returned_cycles) over kinds - practices.returned_cycles as kind_returned,
        count(*) over kinds - 1 as kind_bodies,
        sum(practices.ratios) over everybody - practices.ratios as all_ratios,
        sum(practices.ratios * practices.ratio_p50) over everybody
        - practices.ratios * practices.ratio_p50 as all_ratio_sum,
        sum(practices.due_cycles) over everybody - practices.due_cycles as all_due,
        sum(practices.on_time) over everybody - practices.on_time as all_on_time,
        sum(practices.answered_cycles) over everybody - practices.answered_cycles as all_answered,
        sum(practices.returned_cycles) over everybody - practices.returned_cycles as all_returned,
        count(*) over everybody - 1 as all_bodies
    from practices
    inner join bodies on practices.body_code = bodies.body_code
    window
        kinds as (
            partition by
                practices.quarter_date,
                practices.region_code,
                practices.topic_code,
                bodies.body_kind_code
        ),
        everybody as (
            partition by practices.quarter_date, practices.region_code, practices.topic_code
        )
),

peered as (
    select
        *,
        case when kind_ratios > 0 then kind_bodies else all_bodies end as peer_bodies,
        case when kind_ratios > 0 then kind_ratio_sum else all_ratio_sum end
        / nullif(case when kind_ratios > 0 then kind_ratios else all_ratios end, 0)
            as peer_ratio_p50,
        case when kind_ratios > 0 then kind_on_time else all_on_time end
        / nullif(case when kind_ratios > 0 then kind_due else all_due end, 0)
            as peer_compliance,
        case when kind_ratios > 0 then kind_returned else all_returned end
        / nullif(case when kind_ratios > 0 then kind_answered else all_answered end, 0)
            as peer_reopen
    from summed
    where answered_cycles >= {{ least_answered }} and ratio_p50 is not null
),

bounded as (
    select
        *,
        {{ wilson_bound('on_time', 'due_cycles', z, '+') }} as compliance_high,
        {{ wilson_bound('returned_cycles', 'answered_cycles', z, '-') }} as reopen_low
    from peered
),

judged as (
    select
        *,
        ratio_p50 <= {{ fast_enough }} * peer_ratio_p50 as is_faster,
        -- Where nothing fell due, or to no peer, there is nothing to be worse than.
        coalesce(compliance_high >= peer_compliance, true) as is_as_punctual,
        -- Where no peer has answered anything there is nothing to be worse than.
        coalesce(reopen_low <= peer_reopen, true) as is_as_final
    from bounded
)

select
    judged.quarter_date,
    judged.region_code,
    regions.region_name,
    judged.block_code,
    blocks.block_name,
    judged.topic_code,
    topics.topic_name as topic_title,
    judged.body_code,
    judged.body_name,
    judged.body_kind_code,
    judged.body_kind_name,
    judged.due_cycles,
    judged.answered_cycles,
    round(judged.ratio_p50, 4) as ratio_p50,
    round(judged.peer_ratio_p50, 4) as peer_ratio_p50,
    judged.peer_bodies::int as peer_bodies,
    judged.on_time,
    round(judged.on_time::numeric / nullif(judged.due_cycles, 0), 4) as compliance_share,
    round(judged.compliance_high, 4) as compliance_high,
    round(judged.peer_compliance, 4) as peer_compliance_share,
    judged.returned_cycles,
    round(judged.returned_cycles::numeric / judged.answered_cycles, 4) as reopen_share,
    round(judged.reopen_low, 4) as reopen_low,
    round(judged.peer_reopen, 4) as peer_reopen_share,
    coalesce(judged.is_faster and judged.is_as_punctual and judged.is_as_final, false)
        as is_best_practice,
    case
        when judged.peer_ratio_p50 is null then 'сравнить не с кем'
        when not judged.is_faster then 'не быстрее других'
        when not judged.is_as_punctual then 'сроки хуже, чем у других'
        when not judged.is_as_final then 'возвратов больше, чем у других'
        else 'лучшая практика'
    end as practice_state,
    coalesce(
        (judged.quarter_date + interval '3 months') at time zone regions.time_zone <= regions.as_of,
        false
    ) as is_quarter_finished,
    judged.case_ids,
    coalesce(region_modules.module_label, '') as module_label,
    regions.as_of,
    '{{ var("metric_version") }}' as metric_version,
    '{{ config_version() }}' as config_version
from judged
inner join regions on judged.region_code = regions.region_code
inner join blocks on judged.block_code = blocks.block_code
inner join topics on judged.topic_code = topics.topic_code
left join region_modules on judged.region_code = region_modules.region_code
