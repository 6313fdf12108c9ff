{{ config(materialized='view') }}
-- The rating with its cases: lists are told once, and looked up when they are asked for.
with rating as (
    select * from {{ ref('kept_agency_rating') }}
),

lists as (
    select * from {{ ref('kept_rating_cases') }}
),

checks as (
    select * from {{ ref('kept_checked_replies') }}
),

region_modules as (
    select * from {{ ref('dim_region_modules') }}
    where module_code = 'rating'
)

select
    rating.period_kind,
    rating.period_start,
    rating.region_code,
    rating.region_name,
    rating.body_code,
    rating.body_name,
    rating.body_kind_code,
    rating.body_kind_name,
    rating.main_block_code,
    rating.due_cycles,
    rating.answered_cycles,
    rating.score,
    rating.score_low,
    rating.score_high,
    rating.rank,
    rating.tier,
    rating.rating_state,
    region_modules.module_label,
    rating.is_period_finished,
    rating.as_of,
    '{{ var("metric_version") }}' as metric_version,
    '{{ config_version() }}' as config_version,
    rating.not_computed_reason,
    rating.rated_cases,
    rating.satisfaction_share,
    rating.approver,
    -- What fell due in the period, and what the quality was told by: replies are checked later.
    array(
        select unnest(lists.due_case_ids) as case_id
        from lists
        where
            lists.body_code = rating.body_code
            and lists.period_start = rating.period_start
            and lists.period_kind = rating.period_kind
        union
        select checks.case_id
        from checks
        where {{ is_checked_in('rating') }}
        order by case_id
    ) as case_ids
from rating
inner join region_modules on rating.region_code = region_modules.region_code
