-- Every dimension of a body's rating in a period: the value, its peers' value, the shrunk value and
-- the interval. Formulas: DOMAIN 5.1-5.3.
{%- set z = 1.96 %}
with bodies as (
    select * from {{ ref('int_rating_bodies') }}
),

observations as (
    select * from {{ ref('int_rating_observations') }}
),

rules as (
    select * from {{ ref('int_rating_rules') }}
),

settings as (
    select * from {{ ref('int_rating_settings') }}
),

-- A dimension that the act asks for and nothing was observed of keeps its row, with n = 0.
enabled as (
    select
        bodies.period_kind,
        bodies.period_start,
        bodies.region_code,
        bodies.body_code,
        bodies.body_kind_code,
        bodies.main_block_code,
        bodies.due_cycles,
        bodies.answered_cycles,
        bodies.rated_cases,
        bodies.satisfied_cases,
        coalesce(settings.prior_weight, 20) as prior_weight,
        coalesce(settings.min_due_cycles, 10) as min_due_cycles,
        coalesce(settings.min_checked_replies, 30) as min_checked_replies,
        settings.approver,
        rules.dimension_code,
        rules.dimension_name,
        rules.weight,
        observations.amount,
        coalesce(observations.n, 0) as n,
        observations.ratio_p50,
        observations.ratio_p90,
        observations.ratio_low,
        observations.ratio_high
    from bodies
    inner join rules
        on
            bodies.region_code = rules.region_code
            and {{ in_force('rules', 'bodies.period_start') }}
    left join settings
        on
            bodies.region_code = settings.region_code
            and {{ in_force('settings', 'bodies.period_start') }}
    left join observations
        on
            bodies.body_code = observations.body_code
            and bodies.period_start = observations.period_start
            and bodies.period_kind = observations.period_kind
            and rules.dimension_code = observations.dimension_code
),

-- Peers: the same kind of body and main block; where a body has none, its region.
peered as (
    select
        enabled.*,
        count(*) filter (where enabled.n > 0) over peers as peer_count,
        sum(enabled.amount) over peers / nullif(sum(enabled.n) over peers, 0) as kind_mean,
        sum(enabled.amount) over regional / nullif(sum(enabled.n) over regional, 0)
            as regional_mean
    from enabled
    window
        peers as (
            partition by
                enabled.period_kind,
                enabled.period_start,
                enabled.region_code,
                enabled.dimension_code,
                enabled.body_kind_code,
                enabled.main_block_code
        ),
        regional as (
            partition by
                enabled.period_kind,
                enabled.period_start,
                enabled.region_code,
                enabled.dimension_code
        )
),

chosen as (
    select
        peered.*,
        case when peered.peer_count > 1 then peered.kind_mean else peered.regional_mean end
            as peer_mean,
        peered.amount / nullif(peered.n, 0) as own_mean
    from peered
),

shrunk as (
    select
        chosen.*,
        case
            when chosen.n > 0
                then
                    (chosen.amount + chosen.prior_weight * chosen.peer_mean)
                    / (chosen.n + chosen.prior_weight)
        end as shrunk_mean,
        {{ z }} * {{ z }} / nullif(chosen.n, 0) as z2_n,
        {{ z }} * sqrt(
            (
                greatest(chosen.own_mean * (1 - chosen.own_mean), 0)
                + {{ z }} * {{ z }} / (4 * nullif(chosen.n, 0))
            ) / nullif(chosen.n, 0)
        ) as half_width
    from chosen
)

select
    period_kind,
    period_start,
    region_code,
    body_code,
    body_kind_code,
    main_block_code,
    due_cycles,
    answered_cycles,
    dimension_code,
    dimension_name,
    weight,
    case when dimension_code <> 'speed' then amount end as numerator,
    n,
    -- Ten digits: more than any published value shows, and the same on every machine.
    round(
        case
            when dimension_code = 'speed' then {{ speed_points('own_mean') }}
            else own_mean
        end,
        10
    ) as raw_value,
    round(
        case
            when dimension_code = 'speed' then {{ speed_points('peer_mean') }}
            else peer_mean
        end,
        10
    ) as peer_value,
    round(
        case
            when dimension_code = 'speed' then {{ speed_points('shrunk_mean') }}
            else shrunk_mean
        end,
        10
    ) as shrunk_value,
    -- Wilson for a share; for the speed the interval of the median, turned round: slower is less.
    round(
        case
            when dimension_code = 'speed' then {{ speed_points('ratio_high') }}
            when n > 0 then greatest((own_mean + z2_n / 2 - half_width) / (1 + z2_n), 0)
        end,
        10
    ) as interval_low,
    round(
        case
            when dimension_code = 'speed' then {{ speed_points('ratio_low') }}
            when n > 0 then least((own_mean + z2_n / 2 + half_width) / (1 + z2_n), 1)
        end,
        10
    ) as interval_high,
    ratio_p50,
    ratio_p90,
    rated_cases,
    satisfied_cases,
    prior_weight,
    min_due_cycles,
    approver,
    -- Of the replies of a quarter a random sample is checked, all of them where they are few.
    case
        when dimension_code = 'quality' and period_kind = 'quarter'
            then n >= least(min_checked_replies, answered_cycles)
    end as is_sample_sufficient
from shrunk
