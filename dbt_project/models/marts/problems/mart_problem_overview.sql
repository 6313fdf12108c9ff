{{ config(
    indexes=[
        {'columns': ['region_code', 'month_date', 'block_code']},
        {'columns': ['region_code', 'municipality_code']},
    ]
) }}
with cases as (
    select * from {{ ref('fct_counted_cases') }}
),

repeats as (
    select * from {{ ref('int_repeat_cases') }}
),

recurrences as (
    select * from {{ ref('int_recurrences') }}
),

topic_names as (
    select
        topic_code,
        topic_name
    from {{ ref('dim_topics') }}
),

regions as (
    select * from {{ ref('dim_regions') }}
),

blocks as (
    select * from {{ ref('dim_blocks') }}
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

repeated as (
    select distinct repeats_case_id as case_id from repeats
),

-- An answer can only be said to have held when it is 90 days old.
judged as (
    select
        cases.*,
        coalesce(cases.first_answered_at <= regions.as_of - interval '90 days', false) as is_ripe,
        repeated.case_id is not null as is_repeated
    from cases
    inner join regions on cases.region_code = regions.region_code
    left join repeated on cases.case_id = repeated.case_id
),

cells as (
    select
        month_date,
        region_code,
        block_code,
        municipality_code,
        count(distinct problem_id) as problems,
        count(*) as cases,
        count(distinct applicant_key) as people,
        count(*) filter (where is_open) as open_cases,
        count(*) filter (where has_term) as cases_with_term,
        count(*) filter (where is_overdue_open) as overdue_open,
        sum(answered_cycles) as answered_cycles,
        sum(returned_cycles) as returned_cycles,
        count(*) filter (where is_ripe) as ripe_answers,
        count(*) filter (where is_ripe and is_repeated) as repeated_answers,
        count(rating) as rated,
        count(*) filter (where rating >= 4) as satisfied,
        array_agg(distinct problem_evidence order by problem_evidence) as evidence,
        array_agg(case_id order by case_id) as case_ids
    from judged
    group by month_date, region_code, block_code, municipality_code
),

months as (
    select distinct
        cells.month_date,
        cells.region_code,
        (cells.month_date + interval '1 month') at time zone regions.time_zone <= regions.as_of
            as is_finished
    from cells
    inner join regions on cells.region_code = regions.region_code
),

first_months as (
    select
        region_code,
        min(month_date) as first_month
    from cells
    group by region_code
),

-- A month in which nothing came counts as zero, a month before the first one is not known.
before as (
    select
        cells.month_date,
        cells.region_code,
        cells.block_code,
        cells.municipality_code,
        coalesce(sum(earlier.cases), 0) / 3 as mean_cases
    from cells
    inner join first_months
        on
            cells.region_code = first_months.region_code
            and cells.month_date - interval '3 months' >= first_months.first_month
    left join cells as earlier
        on
            cells.region_code = earlier.region_code
            and cells.block_code = earlier.block_code
            and coalesce(cells.municipality_code, '-') = coalesce(earlier.municipality_code, '-')
            and cells.month_date > earlier.month_date
            and earlier.month_date >= cells.month_date - interval '3 months'
    group by cells.month_date, cells.region_code, cells.block_code, cells.municipality_code
),

populated as (
    select
        region_code,
        municipality_code,
        population::numeric / sum(population) over (partition by region_code) as population_share
    from municipalities
    where population > 0
),

totals as (
    select
        cells.month_date,
        cells.region_code,
        cells.block_code,
        sum(cells.problems) as shared_problems
    from cells
    inner join populated
        on
            cells.region_code = populated.region_code
            and cells.municipality_code = populated.municipality_code
    group by cells.month_date, cells.region_code, cells.block_code
),

counted_topics as (
    select
        month_date,
        region_code,
        block_code,
        municipality_code,
        topic_title,
        row_number() over (
            partition by month_date, region_code, block_code, municipality_code
            order by count(*) desc, topic_title asc
        ) as ordinal
    from cases
    where topic_title is not null
    group by month_date, region_code, block_code, municipality_code, topic_title
),

topics as (
    select
        month_date,
        region_code,
        block_code,
        municipality_code,
        array_agg(topic_title order by ordinal) as leading_topics
    from counted_topics
    where ordinal <= 3
    group by month_date, region_code, block_code, municipality_code
),

-- What came back most often after «решено» within the 180 days that the month ends.
leading_causes as (
    select distinct on (
        recurrences.month_date, recurrences.region_code, recurrences.block_code,
        recurrences.municipality_code
    )
        recurrences.month_date,
        recurrences.region_code,
        recurrences.block_code,
        recurrences.municipality_code,
        concat_ws(
            ', ', coalesce(topic_names.topic_name, recurrences.topic_code), recurrences.street_name
        ) as root_cause
    from recurrences
    left join topic_names on recurrences.topic_code = topic_names.topic_code
    order by
        recurrences.month_date asc,
        recurrences.region_code asc,
        recurrences.block_code asc,
        recurrences.municipality_code asc,
        recurrences.cases_after_solved desc,
        recurrences.cases desc,
        recurrences.topic_code asc,
        recurrences.object_key asc,
        recurrences.body_code asc
)

select
    cells.month_date,
    cells.region_code,
    regions.region_name,
    cells.block_code,
    blocks.block_name,
    cells.municipality_code,
    coalesce(municipalities.municipality_name, 'Не определено') as municipality_name,
    cells.problems,
    cells.cases,
    cells.people,
    cells.open_cases,
    cells.cases_with_term,
    cells.overdue_open,
    round(cells.overdue_open::numeric / nullif(cells.cases_with_term, 0), 4) as overdue_open_share,
    round(cells.returned_cycles::numeric / nullif(cells.answered_cycles, 0), 4) as reopen_share,
    cells.ripe_answers,
    cells.repeated_answers,
    round(cells.repeated_answers::numeric / nullif(cells.ripe_answers, 0), 4) as repeat_share,
    cells.rated,
    case
        when cells.rated >= 10 then round(cells.satisfied::numeric / cells.rated, 4)
    end as satisfaction_share,
    case
        when months.is_finished then round(cells.cases / nullif(before.mean_cases, 0) - 1, 4)
    end as growth_share,
    round(
        {{ heat_index('cells.problems', 'populated.population_share * totals.shared_problems') }}, 4
    ) as heat_index,
    coalesce(topics.leading_topics, '{}') as leading_topics,
    leading_causes.root_cause,
    nullif(
        concat_ws(
            '; ',
            case when cells.cases_with_term = 0 then 'доля просроченных: нет сроков' end,
            case when cells.ripe_answers = 0 then 'повторы: нет ответов старше 90 дней' end,
            case when cells.rated < 10 then 'удовлетворённость: оценок меньше 10' end,
            case
                when not months.is_finished then 'рост: месяц не окончен'
                when before.mean_cases is null then 'рост: нет трёх месяцев до этого'
                when before.mean_cases = 0 then 'рост: в три месяца до этого обращений не было'
            end,
            case
                when cells.municipality_code is null then 'индекс: муниципалитет не определён'
                when populated.municipality_code is null then 'индекс: нет данных о населении'
            end
        ),
        ''
    ) as not_computed_reason,
    array_to_string(cells.evidence, ', ') as evidence,
    cells.case_ids,
    months.is_finished as is_month_finished,
    coalesce(module_labels.module_label, 'вне положения') as module_label,
    regions.as_of,
    '{{ var("metric_version") }}' as metric_version,
    '{{ config_version() }}' as config_version
from cells
inner join regions on cells.region_code = regions.region_code
inner join blocks on cells.block_code = blocks.block_code
inner join months
    on cells.month_date = months.month_date and cells.region_code = months.region_code
left join municipalities
    on
        cells.region_code = municipalities.region_code
        and cells.municipality_code = municipalities.municipality_code
left join before
    on
        cells.month_date = before.month_date
        and cells.region_code = before.region_code
        and cells.block_code = before.block_code
        and coalesce(cells.municipality_code, '-') = coalesce(before.municipality_code, '-')
left join populated
    on
        cells.region_code = populated.region_code
        and cells.municipality_code = populated.municipality_code
left join totals
    on
        cells.month_date = totals.month_date
        and cells.region_code = totals.region_code
        and cells.block_code = totals.block_code
left join topics
    on
        cells.month_date = topics.month_date
        and cells.region_code = topics.region_code
        and cells.block_code = topics.block_code
        and coalesce(cells.municipality_code, '-') = coalesce(topics.municipality_code, '-')
left join leading_causes
    on
        cells.month_date = leading_causes.month_date
        and cells.region_code = leading_causes.region_code
        and cells.block_code = leading_causes.block_code
        and coalesce(cells.municipality_code, '-') = coalesce(leading_causes.municipality_code, '-')
left join module_labels on cells.region_code = module_labels.region_code
