{{ config(
    indexes=[
        {'columns': ['region_code', 'due_on']},
        {'columns': ['block_code']},
        {'columns': ['body_code']},
    ]
) }}
with topic_names as (
    select * from {{ ref('int_topic_names') }}
),

measures as (
    select
        *,
        case
            when state_code <> 'done' then 'мера не выполнена'
            when completed_on is null then 'дата выполнения не записана'
            when topic_key is null then 'тема обращений не указана'
            when topic_key not in (select topic_names.topic_key from topic_names)
                then 'тема обращений не опознана'
            when municipality_code is null and municipality_label is not null
                then 'муниципальное образование не опознано'
            when completed_on + 28 >= as_of_date then 'не прошло 28 дней после выполнения'
        end as unmeasured_reason
    from {{ ref('int_measures') }}
),

appeals as (
    select
        case_id,
        region_code,
        municipality_code,
        received_date,
        topic_code
    from {{ ref('fct_appeals') }}
    where not is_deleted and received_date is not null
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

municipalities as (
    select * from {{ ref('dim_municipalities') }}
),

modules as (
    select
        region_code,
        module_label
    from {{ ref('dim_region_modules') }}
    where module_code = 'measures'
),

-- 28 whole days on each side of the day of completion, which belongs to neither (DOMAIN 5.17).
counted as (
    select
        measures.record_key,
        count(*) filter (where appeals.received_date < measures.completed_on) as cases_before,
        count(*) filter (where appeals.received_date > measures.completed_on) as cases_after,
        array_agg(appeals.case_id order by appeals.case_id) as case_ids
    from measures
    inner join topic_names on measures.topic_key = topic_names.topic_key
    inner join appeals
        on
            measures.region_code = appeals.region_code
            and topic_names.topic_code = appeals.topic_code
            and (
                measures.municipality_code is null
                or measures.municipality_code = appeals.municipality_code
            )
            and appeals.received_date between measures.completed_on - 28
            and measures.completed_on + 28
            and measures.completed_on <> appeals.received_date
    where measures.unmeasured_reason is null
    group by measures.record_key
),

-- The exact interval of a ratio of two Poisson counts: given their sum, the later one is binomial
-- with the share ratio / (1 + ratio), and Clopper and Pearson bound that share. PostgreSQL has no
-- quantiles of it: they are found by halving, once for each pair of counts.
pairs as (
    select distinct
        cases_after,
        cases_before + cases_after as total
    from counted
    where cases_before >= 10
),

log_factorials as (
    select
        number,
        sum(ln(greatest(number, 1)::double precision)) over (order by number) as ln_factorial
    from generate_series(0, (select max(pairs.total) from pairs)) as numbers (number)
),

tails as (
    select
        pairs.cases_after,
        pairs.total,
        sides.side,
        -- Counts that make up the tail, and the logarithms of their binomial coefficients.
        min(chosen.number) as first_count,
        array_agg(
            whole.ln_factorial - chosen.ln_factorial - rest.ln_factorial order by chosen.number
        ) as ln_coefficients
    from pairs
    cross join (values ('low'), ('high')) as sides (side)
    inner join log_factorials as whole on pairs.total = whole.number
    inner join log_factorials as chosen
        on
            case sides.side
                when 'low' then chosen.number between pairs.cases_after and pairs.total
                else pairs.cases_after >= chosen.number
            end
    inner join log_factorials as rest on pairs.total - chosen.number = rest.number
    group by pairs.cases_after, pairs.total, sides.side
),

bounds as (
    with recursive halvings as (
        select
            tails.*,
            0::double precision as lower_share,
            1::double precision as upper_share,
            0 as step
        from tails
        -- Without a case afterwards the lower bound is nought.
        where tails.side = 'high' or tails.cases_after > 0
        union all
        select
            halvings.cases_after,
            halvings.total,
            halvings.side,
            halvings.first_count,
            halvings.ln_coefficients,
            case when middles.is_beyond then halvings.lower_share else middles.share end
                as lower_share,
            case when middles.is_beyond then middles.share else halvings.upper_share end
                as upper_share,
            halvings.step + 1 as step
        from halvings
        cross join
            lateral (
                select
                    (halvings.lower_share + halvings.upper_share) / 2 as share,
                    -- e^-700 is the least that a double holds safely; it adds nothing to 0.025.
                    (
                        sum(
                            exp(
                                greatest(
                                    terms.ln_coefficient
                                    + (halvings.first_count + terms.place - 1)
                                    * ln((halvings.lower_share + halvings.upper_share) / 2)
                                    + (halvings.total - halvings.first_count - terms.place + 1)
                                    * ln(1 - (halvings.lower_share + halvings.upper_share) / 2),
                                    -700
                                )
                            )
                        ) > 0.025
                    ) = (halvings.side = 'low') as is_beyond
                from unnest(halvings.ln_coefficients) with ordinality
                    as terms (ln_coefficient, place)
            ) as middles
        where halvings.step < 52
    )

    select
        cases_after,
        total,
        max(upper_share / (1 - upper_share)) filter (where side = 'low') as ratio_low,
        max(upper_share / (1 - upper_share)) filter (where side = 'high') as ratio_high
    from halvings
    where step = 52
    group by cases_after, total
),

judged as (
    select
        measures.*,
        counted.case_ids,
        case
            when measures.unmeasured_reason is null then coalesce(counted.cases_before, 0)
        end as cases_before,
        case
            when measures.unmeasured_reason is null then coalesce(counted.cases_after, 0)
        end as cases_after
    from measures
    left join counted on measures.record_key = counted.record_key
)

select
    judged.region_code,
    regions.region_name,
    judged.measure_number,
    judged.measure_kind_code,
    judged.measure_kind_name,
    judged.title,
    judged.cause,
    judged.topic_label,
    judged.block_code,
    coalesce(blocks.block_name, judged.block_label, 'Не указан') as block_name,
    judged.municipality_code,
    coalesce(
        municipalities.municipality_name, judged.municipality_label, 'Весь регион'
    ) as municipality_name,
    judged.place,
    judged.body_code,
    coalesce(bodies.body_name, judged.body_label, 'Не назван') as body_name,
    judged.order_number,
    judged.protocol_number,
    judged.basis_name,
    judged.level_name,
    judged.raised_on,
    judged.due_on,
    judged.started_on,
    judged.completed_on,
    judged.cancelled_on,
    judged.cancel_reason,
    judged.register_state_name,
    judged.state_code,
    case judged.state_code
        when 'planned' then 'запланировано'
        when 'active' then 'исполняется'
        when 'done' then 'исполнено'
        when 'late' then 'просрочено'
        when 'cancelled' then 'отменено'
    end as state_name,
    coalesce(judged.completed_on > judged.due_on, false) as is_completed_late,
    case
        when judged.state_code = 'late' then judged.as_of_date - judged.due_on
        when judged.completed_on > judged.due_on then judged.completed_on - judged.due_on
    end as days_late,
    judged.cases_before,
    judged.cases_after,
    case
        when judged.cases_before >= 10
            then round(judged.cases_after::numeric / judged.cases_before, 4)
    end as effect_ratio,
    case
        when judged.cases_before >= 10 then round(coalesce(bounds.ratio_low, 0)::numeric, 4)
    end as effect_low,
    round(bounds.ratio_high::numeric, 4) as effect_high,
    coalesce(
        judged.unmeasured_reason,
        case when judged.cases_before < 10 then 'до выполнения меньше 10 обращений' end
    ) as not_computed_reason,
    judged.case_ids,
    judged.record_key,
    -- A module that no row names is asked for by no act.
    coalesce(modules.module_label, 'вне положения') as module_label,
    regions.as_of,
    '{{ var("metric_version") }}' as metric_version,
    '{{ config_version() }}' as config_version
from judged
inner join regions on judged.region_code = regions.region_code
left join modules on judged.region_code = modules.region_code
left join bounds
    on
        judged.cases_before >= 10
        and judged.cases_after = bounds.cases_after
        and judged.cases_before + judged.cases_after = bounds.total
left join blocks on judged.block_code = blocks.block_code
left join bodies on judged.body_code = bodies.body_code
left join municipalities on judged.municipality_code = municipalities.municipality_code
