{{ config(
    unique_key='week_start',
    pre_hook="{{ collect_cells(also=cells_of_changed_municipalities(), period=week_of_receipt(), cases=false) }}",
    indexes=[
        {'columns': ['region_code', 'week_start', 'block_code']},
        {'columns': ['region_code', 'municipality_code']},
    ]
) }}
with cases as (
    select * from {{ ref('fct_counted_cases') }}
    where {{ is_of_redone_cell(period='week_start') }}
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

observed as (
    select
        region_code,
        municipality_code,
        block_code,
        week_start,
        count(distinct problem_id) as problems,
        count(*) as cases,
        count(*) filter (where has_term) as cases_with_term,
        count(*) filter (where is_overdue_open) as overdue_open,
        sum(answered_cycles) as answered_cycles,
        sum(returned_cycles) as returned_cycles,
        count(*) filter (where is_urgent) as urgent_cases,
        array_agg(distinct problem_evidence order by problem_evidence) as evidence,
        array_agg(case_id order by case_id) as case_ids
    from cases
    group by region_code, municipality_code, block_code, week_start
),

populated as (
    select * from {{ ref('int_population_shares') }}
),

-- What a region has of a block in a week: only what lies in municipalities with a population is
-- shared out, so that expected and observed problems add up to the same.
totals as (
    select
        observed.region_code,
        observed.block_code,
        observed.week_start,
        sum(observed.problems) as problems,
        coalesce(
            sum(observed.problems) filter (where observed.municipality_code is null), 0
        ) as unlocated_problems,
        coalesce(
            sum(observed.problems) filter (where populated.municipality_code is not null), 0
        ) as shared_problems
    from observed
    left join populated
        on
            observed.region_code = populated.region_code
            and observed.municipality_code = populated.municipality_code
    group by observed.region_code, observed.block_code, observed.week_start
),

cells as (
    select
        totals.*,
        municipalities.municipality_code,
        municipalities.population
    from totals
    inner join municipalities on totals.region_code = municipalities.region_code
    union all
    select
        totals.*,
        null as municipality_code,
        null as population
    from totals
    where totals.unlocated_problems > 0
),

measured as (
    select
        cells.*,
        observed.cases,
        observed.problems as observed_problems,
        observed.cases_with_term,
        observed.overdue_open,
        observed.answered_cycles,
        observed.returned_cycles,
        observed.urgent_cases,
        observed.evidence,
        observed.case_ids,
        populated.population_share * cells.shared_problems as expected_problems,
        {{ heat_index('observed.problems', 'populated.population_share * cells.shared_problems') }}
            as heat_index
    from cells
    left join observed
        on
            cells.region_code = observed.region_code
            and cells.block_code = observed.block_code
            and cells.week_start = observed.week_start
            and coalesce(cells.municipality_code, '-') = coalesce(observed.municipality_code, '-')
    left join populated
        on
            cells.region_code = populated.region_code
            and cells.municipality_code = populated.municipality_code
)

select
    measured.week_start,
    measured.region_code,
    regions.region_name,
    measured.municipality_code,
    measured.block_code,
    blocks.block_name,
    coalesce(measured.observed_problems, 0) as problems,
    coalesce(measured.cases, 0) as cases,
    measured.population,
    round(measured.expected_problems, 4)::numeric(14, 4) as expected_problems,
    round(measured.heat_index, 4)::numeric(12, 4) as heat_index,
    case
        when measured.heat_index < 0.8 then 'менее 0,8'
        when measured.heat_index < 1.25 then '0,8–1,25'
        when measured.heat_index <= 2 then '1,25–2'
        when measured.heat_index > 2 then 'более 2'
    end as heat_class,
    coalesce(measured.cases_with_term, 0) as cases_with_term,
    coalesce(measured.overdue_open, 0) as overdue_open,
    round(measured.overdue_open::numeric / nullif(measured.cases_with_term, 0), 4)::numeric(5, 4)
        as overdue_open_share,
    round(measured.returned_cycles::numeric / nullif(measured.answered_cycles, 0), 4)::numeric(5, 4)
        as reopen_share,
    round(measured.urgent_cases::numeric / nullif(measured.cases, 0), 4)::numeric(5, 4)
        as severity_share,
    round(measured.unlocated_problems / measured.problems, 4)::numeric(5, 4) as unlocated_share,
    measured.unlocated_problems / measured.problems > 0.15 as is_unlocated_warning,
    measured.heat_index is not null as is_computed,
    case
        when measured.heat_index is not null then null
        when measured.municipality_code is null then 'муниципалитет не определён'
        else 'нет данных о населении'
    end as not_computed_reason,
    coalesce(array_to_string(measured.evidence, ', '), '') as evidence,
    coalesce(measured.case_ids, '{}') as case_ids
from measured
inner join regions on measured.region_code = regions.region_code
inner join blocks on measured.block_code = blocks.block_code
