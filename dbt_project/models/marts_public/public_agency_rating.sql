with rating as (
    select
        *,
        due_cycles - answered_cycles as unanswered_cycles
    from {{ ref('mart_agency_rating') }}
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
