{{ config(materialized='view') }}
-- The dimensions with their cases: lists are told once, and looked up when they are asked for.
with dimensions as (
    select * from {{ ref('kept_agency_rating_dimensions') }}
),

rating as (
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
    dimensions.period_kind,
    dimensions.period_start,
    dimensions.region_code,
    dimensions.region_name,
    dimensions.body_code,
    dimensions.body_name,
    dimensions.body_kind_code,
    dimensions.body_kind_name,
    dimensions.main_block_code,
    dimensions.dimension_code,
    dimensions.dimension_name,
    dimensions.weight,
    dimensions.numerator,
    dimensions.n,
    dimensions.raw_value,
    dimensions.shrunk_value,
    dimensions.peer_value,
    dimensions.interval_low,
    dimensions.interval_high,
    -- To a score that there is: what a body with little data has gathered is not summed.
    case when rating.score is not null then dimensions.contribution end as contribution,
    dimensions.elapsed_ratio_p50,
    dimensions.elapsed_ratio_p90,
    case
        when dimensions.dimension_code = 'quality'
            then
                array(
                    select distinct checks.case_id
                    from checks
                    where {{ is_checked_in('dimensions') }}
                    order by checks.case_id
                )
        else
            array(
                select
                    unnest(
                        case dimensions.dimension_code
                            when 'completeness' then lists.asked_case_ids
                            when 'speed' then lists.timed_case_ids
                            when 'satisfaction' then lists.rated_case_ids
                            else lists.due_case_ids
                        end
                    ) as case_id
                from lists
                where
                    dimensions.n > 0
                    and lists.body_code = dimensions.body_code
                    and lists.period_start = dimensions.period_start
                    and lists.period_kind = dimensions.period_kind
                order by case_id
            )
    end as case_ids,
    dimensions.is_period_finished,
    dimensions.as_of,
    '{{ var("metric_version") }}' as metric_version,
    '{{ config_version() }}' as config_version,
    dimensions.prior_weight,
    dimensions.is_sample_sufficient,
    region_modules.module_label
from dimensions
inner join rating
    on
        dimensions.period_kind = rating.period_kind
        and dimensions.period_start = rating.period_start
        and dimensions.body_code = rating.body_code
inner join region_modules on dimensions.region_code = region_modules.region_code
