{{ config(
    incremental_strategy='by_change',
    unique_key='period_key',
    pre_hook="{{ collect_redo('period_key', also=answered_periods(), told_by=none) }}",
    indexes=[
        {'columns': ['period_key']},
        {'columns': ['region_code', 'cut_code', 'period_kind', 'period_start']},
        {'columns': ['block_code', 'period_start']},
    ]
) }}
{%- set least_rated = 10 -%}
{%- set own_block %}
case when cuts.cut_code in ('block', 'block_municipality') then counts.block_code else '-' end
{%- endset %}
-- Months and quarters of a block in a region, and of the region over its blocks. Bodies that are
-- compared with one another lie in one of these; what is compared with the region is told by the view,
-- and so are the cases: those of the months are looked up when they are asked for.
{{ comes_after('int_case_months') }}
with counts as (
    select * from {{ ref('kept_satisfaction_counts') }}
),

asking as (
    {{ asking_sources() }}
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

channels as (
    select * from {{ ref('dim_channels') }}
),

cuts as (
    select *
    from (
        values
        ('region', 'block', 'Регион'),
        ('block', 'block', 'Блок'),
        ('body', 'body', 'Орган'),
        ('municipality', 'municipality', 'Муниципальное образование'),
        ('channel', 'channel', 'Канал'),
        ('block_municipality', 'municipality', 'Блок и муниципальное образование')
    ) as each_cut (cut_code, part_code, cut_name)
),

periods as (
    select *
    from (values ('month'), ('quarter')) as each_kind (period_kind)
),

-- A source that never told a rating does not ask for any: its answers tell nothing of who responds.
parts as (
    select
        periods.period_kind,
        date_trunc(periods.period_kind, counts.month_date::timestamp)::date as period_start,
        cuts.cut_code,
        counts.region_code,
        case when cuts.cut_code in ('block', 'block_municipality') then counts.block_code end
            as block_code,
        counts.body_code,
        counts.municipality_code,
        counts.channel_code,
        counts.source_code = any(asking.asking_sources) as is_asked,
        counts.cases,
        counts.rated_cases,
        counts.satisfied_cases,
        counts.rating_sum,
        counts.first_rating_sum
    from counts
    inner join cuts on counts.part_code = cuts.part_code
    inner join asking on counts.region_code = asking.region_code
    cross join periods
    where {{ is_redone_period('counts', own_block | trim, 'periods.period_kind') }}
),

counted as (
    select
        period_kind,
        period_start,
        cut_code,
        region_code,
        block_code,
        body_code,
        municipality_code,
        channel_code,
        coalesce(sum(cases) filter (where is_asked), 0)::bigint as answered_cases,
        coalesce(sum(cases) filter (where not is_asked), 0)::bigint as not_asked_cases,
        sum(rated_cases)::bigint as rated_cases,
        sum(satisfied_cases)::bigint as satisfied_cases,
        sum(rating_sum) as rating_sum,
        sum(first_rating_sum) as first_rating_sum
    from parts
    group by
        period_kind, period_start, cut_code, region_code, block_code, body_code,
        municipality_code, channel_code
),

-- The main block of a body: the one with most of its cases in the period (DOMAIN 5.3).
main_blocks as (
    select distinct on (period_kind, period_start, region_code, body_code)
        periods.period_kind,
        date_trunc(periods.period_kind, counts.month_date::timestamp)::date as period_start,
        counts.region_code,
        counts.body_code,
        counts.block_code
    from counts
    cross join periods
    where
        counts.part_code = 'body'
        and counts.body_code is not null
        and {{ is_redone_period('counts', "'-'", 'periods.period_kind') }}
    group by
        periods.period_kind,
        date_trunc(periods.period_kind, counts.month_date::timestamp)::date,
        counts.region_code,
        counts.body_code,
        counts.block_code
    order by
        period_kind asc,
        period_start asc,
        region_code asc,
        body_code asc,
        sum(counts.cases) desc,
        block_code asc
),

placed as (
    select
        counted.*,
        bodies.body_kind_code,
        main_blocks.block_code as main_block_code
    from counted
    left join bodies on counted.cut_code = 'body' and counted.body_code = bodies.body_code
    left join main_blocks
        on
            counted.cut_code = 'body'
            and counted.period_kind = main_blocks.period_kind
            and counted.period_start = main_blocks.period_start
            and counted.region_code = main_blocks.region_code
            and counted.body_code = main_blocks.body_code
),

peered as (
    select
        placed.*,
        case
            when
                placed.cut_code = 'body'
                and count(*) filter (where placed.rated_cases > 0) over peers > 1
                then
                    sum(placed.satisfied_cases) over peers
                    / nullif(sum(placed.rated_cases) over peers, 0)
        end as body_peer_share
    from placed
    window
        peers as (
            partition by
                placed.cut_code,
                placed.period_kind,
                placed.period_start,
                placed.region_code,
                placed.body_kind_code,
                placed.main_block_code
        )
)

select
    {{ period_key('peered', "coalesce(peered.block_code, '-')") }} as period_key,
    array_to_string(asking.asking_sources, ' ') as asking_sources,
    peered.period_kind,
    peered.period_start,
    peered.region_code,
    regions.region_name,
    peered.cut_code,
    cuts.cut_name,
    peered.block_code,
    blocks.block_name,
    peered.body_code,
    peered.municipality_code,
    peered.channel_code,
    channels.channel_name,
    peered.answered_cases,
    peered.not_asked_cases,
    peered.rated_cases,
    round(peered.rated_cases::numeric / nullif(peered.answered_cases, 0), 4) as response_share,
    case when peered.rated_cases >= {{ least_rated }} then peered.satisfied_cases end
        as satisfied_cases,
    case
        when peered.rated_cases >= {{ least_rated }}
            then round(peered.satisfied_cases::numeric / peered.rated_cases, 4)
    end as csat_share,
    case when peered.rated_cases >= {{ least_rated }} then peered.body_peer_share end
        as body_peer_share,
    case
        when peered.rated_cases >= {{ least_rated }}
            then round(peered.rating_sum::numeric / peered.rated_cases, 2)
    end as mean_rating,
    case
        when peered.rated_cases >= {{ least_rated }}
            then round(peered.first_rating_sum::numeric / peered.rated_cases, 2)
    end as mean_first_rating,
    case
        when peered.rated_cases >= {{ least_rated }} then null
        when peered.answered_cases = 0 then 'источник не собирает оценок'
        when peered.rated_cases = 0 then 'оценок нет'
        else 'менее {{ least_rated }} оценок'
    end as not_computed_reason
from peered
inner join cuts on peered.cut_code = cuts.cut_code
inner join asking on peered.region_code = asking.region_code
inner join regions on peered.region_code = regions.region_code
left join blocks on peered.block_code = blocks.block_code
left join channels on peered.channel_code = channels.channel_code
