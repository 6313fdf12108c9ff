-- Every dimension of a body's rating in a period: what was counted, the value, its peers' value, the
-- shrunk value and the interval. Formulas: DOMAIN 5.1-5.3.
{%- set prior_weight = 20 -%}
{%- set z = 1.96 %}
with cohort as (
    select * from {{ ref('int_rating_cohort') }}
),

checks as (
    select * from {{ ref('int_checked_replies') }}
    where body_code is not null
),

bodies as (
    select * from {{ ref('int_bodies') }}
),

rules as (
    select * from {{ ref('int_rating_rules') }}
),

rated_bodies as (
    select
        cohort.period_kind,
        cohort.period_start,
        cohort.region_code,
        cohort.body_code,
        bodies.body_kind_code,
        count(*) as due_cycles,
        count(*) filter (where cohort.deadline_status <> 'overdue_open') as answered_cycles,
        count(*) filter (where cohort.deadline_status = 'on_time') as on_time_cycles,
        sum(cohort.questions_raised) as questions_raised,
        sum(cohort.questions_answered) as questions_answered,
        array_agg(distinct cohort.case_id) as due_case_ids,
        array_agg(distinct cohort.case_id) filter (where cohort.questions_raised > 0)
            as asked_case_ids,
        array_agg(distinct cohort.case_id) filter (where cohort.elapsed_ratio is not null)
            as timed_case_ids
    from cohort
    inner join bodies on cohort.body_code = bodies.body_code
    group by
        cohort.period_kind,
        cohort.period_start,
        cohort.region_code,
        cohort.body_code,
        bodies.body_kind_code
),

-- The block with most of the body's cases in the period; of equals, the first by code.
main_blocks as (
    select distinct on (period_kind, period_start, body_code)
        period_kind,
        period_start,
        body_code,
        block_code
    from cohort
    group by period_kind, period_start, body_code, block_code
    order by period_kind, period_start, body_code, count(distinct case_id) desc, block_code
),

ordered as (
    select
        period_kind,
        period_start,
        body_code,
        elapsed_ratio,
        row_number() over (
            partition by period_kind, period_start, body_code order by elapsed_ratio
        ) as place,
        count(*) over (partition by period_kind, period_start, body_code) as n
    from cohort
    where elapsed_ratio is not null
),

-- Median, and its interval by order statistics: ranks n/2 -+ z*sqrt(n)/2, rounded up.
speeds as (
    select
        period_kind,
        period_start,
        body_code,
        n,
        avg(elapsed_ratio) filter (where place in ((n + 1) / 2, (n + 2) / 2)) as ratio_p50,
        max(elapsed_ratio) filter (where place = ceil(0.9 * n)) as ratio_p90,
        max(elapsed_ratio) filter (
            where place = greatest(1, ceil((n - {{ z }} * sqrt(n::numeric)) / 2))
        ) as ratio_low,
        max(elapsed_ratio) filter (
            where place = least(n, ceil((n + {{ z }} * sqrt(n::numeric)) / 2))
        ) as ratio_high
    from ordered
    group by period_kind, period_start, body_code, n
),

qualities as (
    select
        periods.period_kind,
        date_trunc(periods.period_kind, checks.checked_date::timestamp)::date as period_start,
        checks.body_code,
        count(*) filter (where checks.is_passed) as numerator,
        count(*) as n,
        array_agg(distinct checks.case_id) filter (where checks.case_id is not null) as case_ids
    from checks
    cross join (values ('month'), ('quarter')) as periods (period_kind)
    group by
        periods.period_kind,
        date_trunc(periods.period_kind, checks.checked_date::timestamp)::date,
        checks.body_code
),

enabled as (
    select
        rated_bodies.*,
        main_blocks.block_code as main_block_code,
        rules.dimension_code,
        rules.dimension_name,
        rules.weight
    from rated_bodies
    inner join main_blocks
        on
            rated_bodies.period_kind = main_blocks.period_kind
            and rated_bodies.period_start = main_blocks.period_start
            and rated_bodies.body_code = main_blocks.body_code
    inner join rules
        on
            rated_bodies.region_code = rules.region_code
            and rated_bodies.period_start >= rules.valid_from
            and (rules.valid_to is null or rated_bodies.period_start < rules.valid_to)
),

-- `amount` / `n` is the value: a count for a share, n times the median for the speed.
counted as (
    select
        enabled.period_kind,
        enabled.period_start,
        enabled.region_code,
        enabled.body_code,
        enabled.body_kind_code,
        enabled.main_block_code,
        enabled.due_cycles,
        enabled.answered_cycles,
        enabled.dimension_code,
        enabled.dimension_name,
        enabled.weight,
        speeds.ratio_p50,
        speeds.ratio_p90,
        speeds.ratio_low,
        speeds.ratio_high,
        case enabled.dimension_code
            when 'quantity' then enabled.answered_cycles
            when 'deadlines' then enabled.on_time_cycles
            when 'quality' then qualities.numerator
            when 'completeness' then enabled.questions_answered
            when 'speed' then speeds.n * speeds.ratio_p50
        end::numeric as amount,
        coalesce(case enabled.dimension_code
            when 'quantity' then enabled.due_cycles
            when 'deadlines' then enabled.due_cycles
            when 'quality' then qualities.n
            when 'completeness' then enabled.questions_raised
            when 'speed' then speeds.n
        end, 0)::numeric as n,
        coalesce(case enabled.dimension_code
            when 'quality' then qualities.case_ids
            when 'completeness' then enabled.asked_case_ids
            when 'speed' then enabled.timed_case_ids
            else enabled.due_case_ids
        end, array[]::uuid[]) as case_ids
    from enabled
    left join speeds
        on
            enabled.dimension_code = 'speed'
            and enabled.period_kind = speeds.period_kind
            and enabled.period_start = speeds.period_start
            and enabled.body_code = speeds.body_code
    left join qualities
        on
            enabled.dimension_code = 'quality'
            and enabled.period_kind = qualities.period_kind
            and enabled.period_start = qualities.period_start
            and enabled.body_code = qualities.body_code
),

-- Peers: the same kind of body and main block; where a body has none, its region.
peered as (
    select
        counted.*,
        case
            when count(*) filter (where n > 0) over peers > 1
                then sum(amount) over peers / nullif(sum(n) over peers, 0)
            else sum(amount) over regional / nullif(sum(n) over regional, 0)
        end as peer_mean
    from counted
    window
        peers as (
            partition by
                period_kind,
                period_start,
                region_code,
                dimension_code,
                body_kind_code,
                main_block_code
        ),
        regional as (partition by period_kind, period_start, region_code, dimension_code)
),

shrunk as (
    select
        *,
        amount / nullif(n, 0) as own_mean,
        case
            when n > 0
                then (amount + {{ prior_weight }} * peer_mean) / (n + {{ prior_weight }})
        end as shrunk_mean
    from peered
)

select
    period_kind,
    period_start,
    region_code,
    body_code,
    body_kind_code,
    main_block_code,
    due_cycles,
    answered_cycles,
    dimension_code,
    dimension_name,
    weight,
    case when dimension_code <> 'speed' then amount end as numerator,
    n,
    {% for name, column in [
        ('raw_value', 'own_mean'), ('peer_value', 'peer_mean'), ('shrunk_value', 'shrunk_mean')
    ] -%}
    case
        when dimension_code = 'speed' then least(greatest(1.25 - {{ column }}, 0), 1)
        else {{ column }}
    end as {{ name }},
    {% endfor -%}
    case
        when n = 0 then null
        when dimension_code = 'speed' then least(greatest(1.25 - ratio_high, 0), 1)
        else greatest(0, (
            own_mean + {{ z }} * {{ z }} / (2 * n)
            - {{ z }} * sqrt(
                own_mean * (1 - own_mean) / n + {{ z }} * {{ z }} / (4 * n * n)
            )
        ) / (1 + {{ z }} * {{ z }} / n))
    end as interval_low,
    case
        when n = 0 then null
        when dimension_code = 'speed' then least(greatest(1.25 - ratio_low, 0), 1)
        else least(1, (
            own_mean + {{ z }} * {{ z }} / (2 * n)
            + {{ z }} * sqrt(
                own_mean * (1 - own_mean) / n + {{ z }} * {{ z }} / (4 * n * n)
            )
        ) / (1 + {{ z }} * {{ z }} / n))
    end as interval_high,
    ratio_p50,
    ratio_p90,
    case_ids
from shrunk
