{{ config(
    indexes=[
        {'columns': ['region_name']},
        {'columns': ['month_date']},
        {'columns': ['body_name']},
    ]
) }}
-- What the charts read while no municipality is chosen: the mart has nearly a row a case, this a
-- row a body, block, channel and month. Only the final term; each number is the sum of the mart's.
with compliance as (
    select * from {{ ref('mart_deadline_compliance') }}
    where cycles > 0
)

select
    month_date,
    region_code,
    region_name,
    block_code,
    block_name,
    body_code,
    body_name,
    channel_code,
    channel_name,
    sum(cycles)::bigint as cycles,
    sum(due_cohort)::bigint as due_cohort,
    sum(on_time)::bigint as on_time,
    sum(late)::bigint as late,
    sum(overdue_open)::bigint as overdue_open,
    sum(open)::bigint as open,
    sum(answered_not_yet_due)::bigint as answered_not_yet_due,
    sum(undefined)::bigint as undefined,
    sum(source_verdict_mismatches)::bigint as source_verdict_mismatches,
    is_month_finished,
    as_of,
    '{{ var("metric_version") }}' as metric_version,
    '{{ config_version() }}' as config_version
from compliance
group by
    month_date,
    region_code,
    region_name,
    block_code,
    block_name,
    body_code,
    body_name,
    channel_code,
    channel_name,
    is_month_finished,
    as_of
-- Rows of a region lie together: a chart of one reads its pages alone.
order by region_name, month_date
