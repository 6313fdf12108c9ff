{{ config(materialized='view') }}
{%- set prior_weight = 20 %}
-- The kept rows with what can move while they stay: the moment that they are of, names that only
-- the data know, and the share of the region; and with their cases, which are looked up.
with kept as (
    select * from {{ ref('kept_satisfaction') }}
),

counts as (
    select * from {{ ref('kept_satisfaction_counts') }}
),

shares as (
    select * from {{ ref('kept_satisfaction_shares') }}
),

regions as (
    select * from {{ ref('dim_regions') }}
),

region_modules as (
    select * from {{ ref('dim_region_modules') }}
    where module_code = 'satisfaction'
),

bodies as (
    select * from {{ ref('dim_bodies') }}
),

municipalities as (
    select * from {{ ref('dim_municipalities') }}
)

select
    kept.period_kind,
    kept.period_start,
    kept.region_code,
    kept.region_name,
    kept.cut_code,
    kept.cut_name,
    kept.block_code,
    kept.block_name,
    kept.body_code,
    case when kept.cut_code = 'body' then coalesce(bodies.body_name, 'Не определён') end as body_name,
    kept.municipality_code,
    case
        when kept.cut_code in ('municipality', 'block_municipality')
            then coalesce(municipalities.municipality_name, 'Не определено')
    end as municipality_name,
    kept.channel_code,
    kept.channel_name,
    kept.answered_cases,
    kept.not_asked_cases,
    kept.rated_cases,
    kept.response_share,
    kept.satisfied_cases,
    kept.csat_share,
    case
        when kept.csat_share is not null
            then
                round(
                    (
                        kept.satisfied_cases
                        + {{ prior_weight }} * coalesce(kept.body_peer_share, shares.regional_share)
                    )
                    / (kept.rated_cases + {{ prior_weight }}),
                    4
                )
    end as csat_shrunk_share,
    case
        when kept.csat_share is not null
            then round(coalesce(kept.body_peer_share, shares.regional_share), 4)
    end as peer_share,
    kept.mean_rating,
    kept.mean_first_rating,
    kept.not_computed_reason,
    coalesce(
        (
            kept.period_start
            + case kept.period_kind
                when 'month' then interval '1 month' else interval '3 months'
            end
        ) at time zone regions.time_zone <= regions.as_of,
        false
    ) as is_period_finished,
    array(
        select unnest(counts.rated_case_ids) as case_id
        from counts
        where
            counts.region_code = kept.region_code
            and counts.month_date >= kept.period_start
            and counts.month_date < kept.period_start + case kept.period_kind
                when 'month' then interval '1 month' else interval '3 months'
            end
            and counts.part_code = case kept.cut_code
                when 'region' then 'block'
                when 'block_municipality' then 'municipality'
                else kept.cut_code
            end
            and (
                kept.cut_code not in ('block', 'block_municipality')
                or counts.block_code = kept.block_code
            )
            and counts.body_code is not distinct from kept.body_code
            and counts.municipality_code is not distinct from kept.municipality_code
            and counts.channel_code is not distinct from kept.channel_code
        order by case_id
    ) as case_ids,
    coalesce(region_modules.module_label, '') as module_label,
    regions.as_of,
    '{{ var("metric_version") }}' as metric_version,
    '{{ config_version() }}' as config_version
from kept
inner join shares
    on
        kept.period_kind = shares.period_kind
        and kept.period_start = shares.period_start
        and kept.region_code = shares.region_code
        and coalesce(kept.block_code, '-') = coalesce(shares.block_code, '-')
inner join regions on kept.region_code = regions.region_code
left join bodies on kept.body_code = bodies.body_code
left join municipalities on kept.municipality_code = municipalities.municipality_code
left join region_modules on kept.region_code = region_modules.region_code
