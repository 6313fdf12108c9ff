-- Over the kept rows: the mart reads with the rights of whoever asks, and the governor has none.
with kept as (
    select * from {{ ref('kept_agency_rating') }}
),

region_modules as (
    select * from {{ ref('dim_region_modules') }}
    where module_code = 'rating'
),

rating as (
    select
        kept.*,
        kept.due_cycles - kept.answered_cycles as unanswered_cycles,
        region_modules.module_label,
        '{{ var("metric_version") }}' as metric_version,
        '{{ config_version() }}' as config_version
    from kept
    inner join region_modules on kept.region_code = region_modules.region_code
)

select
    period_kind,
    period_start,
    region_code,
    region_name,
    body_code,
    body_name,
    body_kind_code,
    body_kind_name,
    main_block_code,
    case when due_cycles >= {{ least_count() }} then due_cycles end as due_cycles,
    -- Answered and unanswered add up to the due ones: shown both or neither.
    case
        when least(answered_cycles, unanswered_cycles) >= {{ least_count() }} then answered_cycles
    end as answered_cycles,
    score,
    rank,
    tier,
    rating_state,
    case
        when least(answered_cycles, unanswered_cycles) < {{ least_count() }}
            then 'скрыто: малые числа'
        else ''
    end as suppression_label,
    module_label,
    is_period_finished,
    as_of,
    metric_version,
    config_version
from rating
