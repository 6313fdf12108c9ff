{{ config(
    incremental_strategy='in_place',
    indexes=[
        {'columns': ['region_code', 'period_kind', 'period_start']},
        {'columns': ['body_code']},
    ]
) }}
-- The rating without the lists of its cases, which kept_rating_cases has: made as a whole, because one
-- body moves the mean of its peers and the places of all.
with measures as (
    select * from {{ ref('int_rating_measures') }}
),

regions as (
    select * from {{ ref('dim_regions') }}
),

bodies as (
    select * from {{ ref('dim_bodies') }}
),

scored as (
    select
        period_kind,
        period_start,
        region_code,
        body_code,
        body_kind_code,
        main_block_code,
        due_cycles,
        answered_cycles,
        rated_cases,
        satisfied_cases,
        min_due_cycles,
        approver,
        -- Too few due cycles (ten by default), or a dimension without a single observation.
        due_cycles >= coalesce(min_due_cycles, 10) and min(n) > 0 as is_ranked,
        string_agg(dimension_name, ', ' order by dimension_code) filter (where n = 0)
            as missing_dimensions,
        round(100 * sum(weight * shrunk_value) / sum(weight), 1) as score,
        round(100 * sum(weight * interval_low) / sum(weight), 1) as score_low,
        round(100 * sum(weight * interval_high) / sum(weight), 1) as score_high
    from measures
    group by
        period_kind,
        period_start,
        region_code,
        body_code,
        body_kind_code,
        main_block_code,
        due_cycles,
        answered_cycles,
        rated_cases,
        satisfied_cases,
        min_due_cycles,
        approver
),

-- Kinds of bodies are published separately; equal rounded scores share a place.
placed as (
    select
        *,
        dense_rank() over (
            partition by period_kind, period_start, region_code, body_kind_code
            order by score desc
        ) as place,
        row_number() over (
            partition by period_kind, period_start, region_code, body_kind_code
            order by score desc, score_high desc, body_code asc
        ) as tier_order
    from scored
    where is_ranked
),

-- A tier ends before the first body whose upper bound lies below the lower bound of its first body.
tier_a as (
    select
        *,
        first_value(score_low) over (
            partition by period_kind, period_start, region_code, body_kind_code
            order by tier_order
        ) as first_low_a
    from placed
),

tier_b_starts as (
    select
        *,
        min(tier_order) filter (where score_high < first_low_a) over (
            partition by period_kind, period_start, region_code, body_kind_code
        ) as start_b
    from tier_a
),

tier_b as (
    select
        *,
        max(score_low) filter (where tier_order = start_b) over (
            partition by period_kind, period_start, region_code, body_kind_code
        ) as first_low_b
    from tier_b_starts
),

tiered as (
    select
        *,
        min(tier_order) filter (where tier_order > start_b and score_high < first_low_b) over (
            partition by period_kind, period_start, region_code, body_kind_code
        ) as start_c
    from tier_b
)

select
    scored.period_kind,
    scored.period_start,
    scored.region_code,
    regions.region_name,
    scored.body_code,
    bodies.body_name,
    scored.body_kind_code,
    bodies.body_kind_name,
    scored.main_block_code,
    scored.due_cycles,
    scored.answered_cycles,
    tiered.score::numeric(4, 1) as score,
    tiered.score_low::numeric(4, 1) as score_low,
    tiered.score_high::numeric(4, 1) as score_high,
    tiered.place::int as rank,
    case
        when tiered.tier_order >= tiered.start_c then 'C'
        when tiered.tier_order >= tiered.start_b then 'B'
        when tiered.tier_order is not null then 'A'
    end as tier,
    case when scored.is_ranked then 'ranked' else 'мало данных' end as rating_state,
    (
        scored.period_start
        + case scored.period_kind
            when 'month' then interval '1 month'
            else interval '3 months'
        end
    ) at time zone regions.time_zone <= regions.as_of as is_period_finished,
    regions.as_of,
    case
        when scored.is_ranked then null
        when scored.due_cycles < coalesce(scored.min_due_cycles, 10)
            then
                'сроков за период меньше ' || coalesce(scored.min_due_cycles, 10)::text
        else 'нет наблюдений: ' || scored.missing_dimensions
    end as not_computed_reason,
    -- Beside the rating, not in it; below ten ratings not published (DOMAIN 5.5).
    coalesce(scored.rated_cases, 0) as rated_cases,
    case
        when scored.rated_cases >= 10
            then round(scored.satisfied_cases::numeric / scored.rated_cases, 4)
    end as satisfaction_share,
    coalesce(scored.approver, 'не назначен') as approver
from scored
inner join regions on scored.region_code = regions.region_code
inner join bodies on scored.body_code = bodies.body_code
left join tiered
    on
        scored.period_kind = tiered.period_kind
        and scored.period_start = tiered.period_start
        and scored.body_code = tiered.body_code
