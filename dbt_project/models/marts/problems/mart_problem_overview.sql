{{ config(materialized='view') }}
-- The kept rows with what can move while they stay: the moment that they are of, names that only the
-- data know, and what the act of a region requires by then.
with stored as (
    select * from {{ ref('kept_problem_overview') }}
),

regions as (
    select * from {{ ref('dim_regions') }}
),

municipalities as (
    select * from {{ ref('dim_municipalities') }}
),

module_labels as (
    select
        region_code,
        module_label
    from {{ ref('dim_region_modules') }}
    where module_code = 'overview'
),

kept as (
    select
        stored.*,
        regions.as_of,
        (stored.month_date + interval '1 month') at time zone regions.time_zone <= regions.as_of
            as is_month_finished
    from stored
    inner join regions on stored.region_code = regions.region_code
)

select
    kept.month_date,
    kept.region_code,
    kept.region_name,
    kept.block_code,
    kept.block_name,
    kept.municipality_code,
    coalesce(municipalities.municipality_name, 'Не определено') as municipality_name,
    kept.problems,
    kept.cases,
    kept.people,
    kept.open_cases,
    kept.cases_with_term,
    kept.overdue_open,
    kept.overdue_open_share,
    kept.reopen_share,
    kept.ripe_answers,
    kept.repeated_answers,
    kept.repeat_share,
    kept.rated,
    kept.satisfaction_share,
    case
        when kept.is_month_finished then round(kept.cases / nullif(kept.mean_cases, 0) - 1, 4)
    end::numeric(12, 4) as growth_share,
    kept.heat_index,
    kept.leading_topics,
    kept.root_cause,
    nullif(
        concat_ws(
            '; ',
            case when kept.cases_with_term = 0 then 'доля просроченных: нет сроков' end,
            case when kept.ripe_answers = 0 then 'повторы: нет прослеживаемых ответов старше 90 дней' end,
            case when kept.rated < 10 then 'удовлетворённость: оценок меньше 10' end,
            case
                when not kept.is_month_finished then 'рост: месяц не окончен'
                when kept.mean_cases is null then 'рост: нет трёх месяцев до этого'
                when kept.mean_cases = 0 then 'рост: в три месяца до этого обращений не было'
            end,
            case
                when kept.municipality_code is null then 'индекс: муниципалитет не определён'
                when kept.population_share is null then 'индекс: нет данных о населении'
            end
        ),
        ''
    ) as not_computed_reason,
    kept.evidence,
    kept.case_ids,
    kept.is_month_finished,
    coalesce(module_labels.module_label, 'вне положения') as module_label,
    kept.as_of,
    '{{ var("metric_version") }}' as metric_version,
    '{{ config_version() }}' as config_version
from kept
left join municipalities
    on
        kept.region_code = municipalities.region_code
        and kept.municipality_code = municipalities.municipality_code
left join module_labels on kept.region_code = module_labels.region_code
