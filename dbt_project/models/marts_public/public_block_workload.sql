-- Over the kept rows: the mart reads with the rights of whoever asks, and the governor has none.
with kept as (
    select * from {{ ref('kept_block_workload') }}
),

region_modules as (
    select * from {{ ref('dim_region_modules') }}
    where module_code = 'workload'
),

workload as (
    select
        kept.*,
        region_modules.module_label,
        '{{ var("metric_version") }}' as metric_version,
        '{{ config_version() }}' as config_version
    from kept
    inner join region_modules on kept.region_code = region_modules.region_code
),

-- Intake, closures and open cases follow from one another from week to week: shown all or none.
judged_blocks as (
    select
        week_start,
        region_code,
        region_name,
        block_code,
        block_name,
        intake::bigint as intake,
        closures::bigint as closures,
        open_cases::bigint as open_cases,
        occupancy_share,
        is_staffing_proposed,
        module_label,
        is_week_finished,
        as_of,
        metric_version,
        config_version,
        {{ is_suppressed('intake', 'region_code, week_start', 'block_code') }}
        or {{ is_suppressed('closures', 'region_code, week_start', 'block_code') }}
        or {{ is_suppressed('open_cases', 'region_code, week_start', 'block_code') }}
            as is_hidden
    from workload
),

totals as (
    select
        week_start,
        region_code,
        region_name,
        null::text as block_code,
        'Все блоки' as block_name,
        sum(intake)::bigint as intake,
        sum(closures)::bigint as closures,
        sum(open_cases)::bigint as open_cases,
        null::numeric as occupancy_share,
        null::boolean as is_staffing_proposed,
        module_label,
        is_week_finished,
        as_of,
        metric_version,
        config_version
    from judged_blocks
    group by
        week_start,
        region_code,
        region_name,
        module_label,
        is_week_finished,
        as_of,
        metric_version,
        config_version
),

judged as (
    select * from judged_blocks
    union all
    select
        *,
        least(intake, closures, open_cases) < {{ least_count() }} as is_hidden
    from totals
)

select
    week_start,
    region_code,
    region_name,
    block_code,
    block_name,
    case when not is_hidden then intake end as intake,
    case when not is_hidden then closures end as closures,
    case when not is_hidden then open_cases end as open_cases,
    case when not is_hidden then occupancy_share end as occupancy_share,
    case when not is_hidden then is_staffing_proposed end as is_staffing_proposed,
    case when is_hidden then 'скрыто: малые числа' else '' end as suppression_label,
    module_label,
    is_week_finished,
    as_of,
    metric_version,
    config_version
from judged
