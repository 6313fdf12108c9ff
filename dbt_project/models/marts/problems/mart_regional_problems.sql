{{ config(
    indexes=[
        {'columns': ['region_code', 'block_code']},
        {'columns': ['region_code', 'municipality_code']},
    ]
) }}
-- The act has the list formed from the heat map, so it is read from there and nowhere else.
with cells as not materialized (
    select * from {{ ref('mart_problem_heatmap') }}
    where is_week_finished and municipality_code is not null
),

cases as not materialized (
    select
        case_id,
        region_code,
        municipality_code,
        block_code,
        week_start,
        problem_id
    from {{ ref('fct_counted_cases') }}
    where municipality_code is not null
),

regions as (
    select * from {{ ref('dim_regions') }}
),

module_labels as (
    select
        region_code,
        module_label
    from {{ ref('dim_region_modules') }}
    where module_code = 'heatmap'
),

-- The last four weeks that are over by the region's moment.
windows as (
    select
        region_code,
        date_trunc('week', as_of at time zone time_zone)::date - 28 as first_week,
        date_trunc('week', as_of at time zone time_zone)::date - 7 as last_week
    from regions
),

recent as (
    select
        cells_of_region.*,
        windows.first_week,
        windows.last_week
    from windows
    cross join lateral (
        select cells.* from cells
        where
            cells.region_code = windows.region_code
            and cells.week_start between windows.first_week and windows.last_week
        {{ looked_up() }}
    ) as cells_of_region
),

measured as (
    select
        region_code,
        region_name,
        municipality_code,
        municipality_name,
        block_code,
        block_name,
        first_week,
        last_week,
        as_of,
        count(*) filter (where heat_index >= 1.25) as hot_weeks,
        max(heat_index) as heat_index_max,
        sum(cases)::bigint as cases,
        sum(cases_with_term)::bigint as cases_with_term,
        sum(overdue_open)::bigint as overdue_open
    from recent
    group by
        region_code, region_name, municipality_code, municipality_name, block_code, block_name,
        first_week, last_week, as_of
),

-- A problem that went on for weeks is one.
distinct_problems as (
    select
        recent_cases.region_code,
        recent_cases.municipality_code,
        recent_cases.block_code,
        count(distinct recent_cases.problem_id) as problems,
        array_agg(recent_cases.case_id order by recent_cases.case_id) as case_ids
    from windows
    cross join
        lateral (
            select cases.* from cases
            where
                cases.region_code = windows.region_code
                and cases.week_start between windows.first_week and windows.last_week
            {{ looked_up() }}
        ) as recent_cases
    group by
        recent_cases.region_code, recent_cases.municipality_code, recent_cases.block_code
),

judged as (
    select
        measured.*,
        coalesce(distinct_problems.problems, 0) as problems,
        coalesce(distinct_problems.case_ids, '{}') as case_ids,
        measured.overdue_open::numeric / nullif(measured.cases_with_term, 0) as overdue_open_share,
        measured.hot_weeks >= 2 as is_by_index,
        coalesce(
            measured.overdue_open::numeric / nullif(measured.cases_with_term, 0) > 0.2
            and distinct_problems.problems >= 5,
            false
        ) as is_by_overdue
    from measured
    left join distinct_problems
        on
            measured.region_code = distinct_problems.region_code
            and measured.municipality_code = distinct_problems.municipality_code
            and measured.block_code = distinct_problems.block_code
)

select
    judged.region_code,
    judged.region_name,
    judged.municipality_code,
    judged.municipality_name,
    judged.block_code,
    judged.block_name,
    judged.first_week,
    judged.last_week,
    judged.problems,
    judged.cases,
    judged.hot_weeks,
    judged.heat_index_max::numeric(12, 4) as heat_index_max,
    judged.cases_with_term,
    judged.overdue_open,
    round(judged.overdue_open_share, 4) as overdue_open_share,
    judged.is_by_index,
    judged.is_by_overdue,
    concat_ws(
        '; ',
        case
            when judged.is_by_index
                then 'индекс не ниже 1,25 в ' || judged.hot_weeks || ' из 4 недель'
        end,
        case
            when judged.is_by_overdue
                then
                    'просрочено и не решено '
                    || replace(round(100 * judged.overdue_open_share, 1)::text, '.', ',') || ' %'
        end
    ) as grounds,
    judged.case_ids,
    coalesce(module_labels.module_label, 'вне положения') as module_label,
    judged.as_of,
    '{{ var("metric_version") }}' as metric_version,
    '{{ config_version() }}' as config_version
from judged
left join module_labels on judged.region_code = module_labels.region_code
where judged.is_by_index or judged.is_by_overdue
