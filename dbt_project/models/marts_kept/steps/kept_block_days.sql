{{ config(
    unique_key='activity_date',
    pre_hook="{{ collect_cells(period='activity_date', cases=false, told_by='kept_case_days') }}",
    indexes=[{'columns': ['region_code', 'block_code', 'activity_date']}],
    meta={'is_looked_up': true},
) }}
-- What one day brought a block: cases that came and went, by how many those that wait grew, and hours of
-- work by norms. What is told of a day as of its end, and of weeks, are sums over these.
select
    region_code,
    block_code,
    date_trunc('month', activity_date::timestamp)::date as month_date,
    activity_date,
    sum(intake)::bigint as intake,
    sum(reopened)::bigint as reopened,
    sum(answered)::bigint as answered,
    sum(closures)::bigint as closures,
    sum(open_change)::bigint as open_change,
    sum(overdue_change)::bigint as overdue_change,
    sum(due_soon_change)::bigint as due_soon_change,
    sum(work_hours) as work_hours,
    array_agg(case_id order by case_id) filter (where intake + reopened + answered > 0) as case_ids
from {{ ref('kept_case_days') }}
where is_current and {{ is_of_redone_cell(period='activity_date') }}
group by region_code, block_code, activity_date
