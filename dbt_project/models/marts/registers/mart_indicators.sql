{{ config(
    indexes=[
        {'columns': ['region_code', 'period_start']},
        {'columns': ['body_code']},
    ]
) }}
with indicators as (
    select * from {{ ref('int_indicators') }}
),

deadlines as (
    select
        case_id,
        cycle_no,
        region_code,
        body_code,
        month_date,
        deadline_status
    from {{ ref('fct_deadlines') }}
    where
        exclusion_code is null
        and is_opened
        and deadline_status in ('on_time', 'late', 'overdue_open')
        and due_at <= as_of
),

appeals as (
    select case_id from {{ ref('fct_appeals') }}
    where not is_deleted
),

regions as (
    select * from {{ ref('dim_regions') }}
),

blocks as (
    select * from {{ ref('dim_blocks') }}
),

bodies as (
    select * from {{ ref('dim_bodies') }}
),

modules as (
    select
        region_code,
        module_label
    from {{ ref('dim_region_modules') }}
    where module_code = 'indicators'
),

-- A period joins its cases by whole months: an equality, where bounds would try every declared
-- period of a body with each of its cases.
months as (
    select
        indicators.record_key,
        indicators.region_code,
        indicators.body_code,
        series.month_date::date as month_date
    from indicators
    cross join
        lateral generate_series(
            indicators.period_start::timestamp,
            indicators.period_end::timestamp - interval '1 month',
            interval '1 month'
        ) as series (month_date)
    where
        indicators.formula_code is not null
        and indicators.period_end <= indicators.as_of_date
),

-- The due cohort of the body in the period, as in mart_deadline_compliance (DOMAIN 5.1).
computed as (
    select
        months.record_key,
        count(*) as due_cohort,
        count(*) filter (where deadlines.deadline_status = 'on_time') as on_time,
        count(*) filter (where deadlines.deadline_status in ('on_time', 'late')) as answered,
        array_agg(distinct deadlines.case_id) as case_ids
    from months
    inner join deadlines
        on
            months.region_code = deadlines.region_code
            and months.body_code = deadlines.body_code
            and months.month_date = deadlines.month_date
    inner join appeals on deadlines.case_id = appeals.case_id
    group by months.record_key
),

measured as (
    select
        indicators.*,
        computed.case_ids,
        computed.due_cohort,
        case indicators.formula_code
            when 'deadline_compliance'
                then round(100.0 * computed.on_time / computed.due_cohort, 2)
            when 'handling' then round(100.0 * computed.answered / computed.due_cohort, 2)
        end as computed_value
    from indicators
    left join computed on indicators.record_key = computed.record_key
),

compared as (
    select
        *,
        declared_value - computed_value as difference,
        {{ indicator_tolerance('computed_value') }} as tolerance
    from measured
)

select
    compared.region_code,
    regions.region_name,
    compared.indicator_code,
    compared.indicator_name,
    compared.kind_code,
    compared.kind_name,
    compared.direction_code,
    compared.direction_name,
    compared.block_code,
    coalesce(blocks.block_name, compared.block_label, 'Не указан') as block_name,
    compared.body_code,
    coalesce(bodies.body_name, compared.body_label, 'Не назван') as body_name,
    compared.period,
    compared.period_kind,
    compared.period_start,
    compared.unit,
    compared.target_value,
    compared.declared_value,
    compared.computed_value,
    compared.difference,
    case when compared.computed_value is not null then round(compared.tolerance, 4) end
        as tolerance,
    abs(compared.difference) <= compared.tolerance as is_within_tolerance,
    case
        when abs(compared.difference) <= compared.tolerance then 'совпадает'
        when abs(compared.difference) > compared.tolerance then 'расходится'
        else 'не сравнивалось'
    end as comparison_name,
    compared.formula_name,
    compared.due_cohort,
    case
        when compared.computed_value is not null then null
        when compared.formula_code is null then 'платформа не рассчитывает этот показатель'
        when compared.body_code is null then 'орган не опознан'
        when compared.period_end > compared.as_of_date then 'период не закончен'
        else 'за период не наступил ни один срок'
    end as not_computed_reason,
    compared.evidence,
    compared.declared_on,
    compared.state_code,
    compared.state_name,
    compared.verified_on,
    compared.approved_on,
    compared.rejection_reason,
    compared.is_self_verified,
    compared.case_ids,
    compared.record_key,
    -- A module that no row names is asked for by no act.
    coalesce(modules.module_label, 'вне положения') as module_label,
    regions.as_of,
    '{{ var("metric_version") }}' as metric_version,
    '{{ config_version() }}' as config_version
from compared
inner join regions on compared.region_code = regions.region_code
left join modules on compared.region_code = modules.region_code
left join blocks on compared.block_code = blocks.block_code
left join bodies on compared.body_code = bodies.body_code
