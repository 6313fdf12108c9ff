-- Over the kept rows: the mart reads with the rights of whoever asks, and the governor has none.
with kept as (
    select * from {{ ref('kept_deadline_compliance') }}
    -- Without a month there is no date at all, hence no term: no cohort to publish.
    where month_date is not null
),

regions as (
    select * from {{ ref('dim_regions') }}
),

compliance as (
    select
        kept.*,
        (kept.month_date + interval '1 month') at time zone regions.time_zone <= regions.as_of
            as is_month_finished,
        regions.as_of,
        '{{ var("metric_version") }}' as metric_version,
        '{{ config_version() }}' as config_version
    from kept
    inner join regions on kept.region_code = regions.region_code
),

by_block as (
    select
        month_date,
        region_code,
        region_name,
        block_code,
        block_name,
        sum(due_cohort)::bigint as due_cohort,
        sum(on_time)::bigint as on_time,
        sum(late + overdue_open)::bigint as not_on_time,
        is_month_finished,
        as_of,
        metric_version,
        config_version
    from compliance
    group by
        month_date,
        region_code,
        region_name,
        block_code,
        block_name,
        is_month_finished,
        as_of,
        metric_version,
        config_version
),

-- On time and not on time add up to the cohort: they are shown both or neither.
judged_blocks as (
    select
        *,
        {{ is_suppressed('due_cohort', 'region_code, month_date', 'block_code') }}
            as hides_cohort,
        {{ is_suppressed('on_time', 'region_code, month_date', 'block_code') }}
        or {{ is_suppressed('not_on_time', 'region_code, month_date', 'block_code') }}
            as hides_parts
    from by_block
),

totals as (
    select
        month_date,
        region_code,
        region_name,
        null::text as block_code,
        'Все блоки' as block_name,
        sum(due_cohort)::bigint as due_cohort,
        sum(on_time)::bigint as on_time,
        sum(not_on_time)::bigint as not_on_time,
        is_month_finished,
        as_of,
        metric_version,
        config_version
    from by_block
    group by
        month_date,
        region_code,
        region_name,
        is_month_finished,
        as_of,
        metric_version,
        config_version
),

judged as (
    select * from judged_blocks
    union all
    select
        *,
        due_cohort < {{ least_count() }} as hides_cohort,
        least(on_time, not_on_time) < {{ least_count() }} as hides_parts
    from totals
)

select
    month_date,
    region_code,
    region_name,
    block_code,
    block_name,
    case when not hides_cohort then due_cohort end as due_cohort,
    case when not (hides_cohort or hides_parts) then on_time end as on_time,
    case when not (hides_cohort or hides_parts) then not_on_time end as not_on_time,
    case
        when not (hides_cohort or hides_parts)
            then round(on_time::numeric / due_cohort, 4)
    end as on_time_share,
    case when hides_cohort or hides_parts then 'скрыто: малые числа' else '' end
        as suppression_label,
    is_month_finished,
    as_of,
    metric_version,
    config_version
from judged
