{{ config(
    unique_key='month_date',
    pre_hook="{{ collect_cells(also=cells_of_overview(), period=month_of_receipt(), cases=false) }}",
    indexes=[
        {'columns': ['region_code', 'month_date', 'block_code']},
        {'columns': ['region_code', 'municipality_code']},
    ]
) }}
with cases as (
    select * from {{ ref('fct_counted_cases') }}
    where {{ is_of_redone_cell() }}
),

repeats as (
    select * from {{ ref('int_repeat_cases') }}
    where is_current and {{ is_of_step('repeats_case_id', 'cases', 'case_id') }}
),

repeated_texts as (
    select * from {{ ref('int_repeated_texts') }}
    where is_current and {{ is_of_step('case_id', 'cases', 'case_id') }}
),

leading_causes as (
    select * from {{ ref('int_leading_causes') }}
),

first_months as (
    select * from {{ ref('kept_first_months') }}
),

populated as (
    select * from {{ ref('int_population_shares') }}
),

regions as (
    select * from {{ ref('dim_regions') }}
),

blocks as (
    select * from {{ ref('dim_blocks') }}
),

repeated as (
    select distinct repeats_case_id as case_id from repeats
),

-- The same answers as in the repeat rate of kept_repeat_appeals, by the month of receipt.
judged as (
    select
        cases.*,
        {{ is_observed('cases', 'regions.as_of') }}
        and {{ is_matchable('cases') }}
        and repeated_texts.case_id is null as is_ripe,
        repeated.case_id is not null as is_repeated
    from cases
    inner join regions on cases.region_code = regions.region_code
    left join repeated on cases.case_id = repeated.case_id
    left join repeated_texts on cases.case_id = repeated_texts.case_id
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

earlier_cells as (
    select
        month_date,
        region_code,
        block_code,
        municipality_code,
        cases
    from cells
    {%- if is_by_change() %}
        union all
        select
            month_date,
            region_code,
            block_code,
            municipality_code,
            cases
        from {{ this }}
        where not {{ is_of_redone_cell() }}
    {%- endif %}
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
    left join earlier_cells as earlier
        on
            cells.region_code = earlier.region_code
            and cells.block_code = earlier.block_code
            and coalesce(cells.municipality_code, '-') = coalesce(earlier.municipality_code, '-')
            and cells.month_date > earlier.month_date
            and earlier.month_date >= cells.month_date - interval '3 months'
    group by cells.month_date, cells.region_code, cells.block_code, cells.municipality_code
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
)

select
    cells.month_date,
    cells.region_code,
    regions.region_name,
    cells.block_code,
    blocks.block_name,
    cells.municipality_code,
    cells.problems,
    cells.cases,
    cells.people,
    cells.open_cases,
    cells.cases_with_term,
    cells.overdue_open,
    round(cells.overdue_open::numeric / nullif(cells.cases_with_term, 0), 4)::numeric(5, 4)
        as overdue_open_share,
    round(cells.returned_cycles::numeric / nullif(cells.answered_cycles, 0), 4)::numeric(5, 4)
        as reopen_share,
    cells.ripe_answers,
    cells.repeated_answers,
    round(cells.repeated_answers::numeric / nullif(cells.ripe_answers, 0), 4)::numeric(5, 4)
        as repeat_share,
    cells.rated,
    case
        when cells.rated >= 10 then round(cells.satisfied::numeric / cells.rated, 4)
    end::numeric(5, 4) as satisfaction_share,
    round(
        {{ heat_index('cells.problems', 'populated.population_share * totals.shared_problems') }}, 4
    )::numeric(12, 4) as heat_index,
    coalesce(topics.leading_topics, '{}') as leading_topics,
    leading_causes.root_cause,
    array_to_string(cells.evidence, ', ') as evidence,
    cells.case_ids,
    populated.population_share,
    before.mean_cases
from cells
inner join regions on cells.region_code = regions.region_code
inner join blocks on cells.block_code = blocks.block_code
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
