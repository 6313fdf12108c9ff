{{ config(
    indexes=[
        {'columns': ['region_code', 'cut_code', 'period_kind', 'period_start']},
        {'columns': ['block_code', 'period_start']},
    ]
) }}
{%- set least_rated = 10 -%}
{%- set prior_weight = 20 %}
{%- set cut_code %}
case grouping(block_code, body_code, municipality_code, channel_code)
            when 15 then 'region'
            when 7 then 'block'
            when 11 then 'body'
            when 13 then 'municipality'
            when 14 then 'channel'
            when 5 then 'block_municipality'
        end
{%- endset %}
{%- set cuts %}
grouping sets (
            (),
            (block_code),
            (body_code),
            (municipality_code),
            (channel_code),
            (block_code, municipality_code)
        )
{%- endset %}
with filed as (
    select * from {{ ref('int_filed_cases') }}
    where answered_cycles > 0
),

ratings as (
    select * from {{ ref('int_case_ratings') }}
),

regions as (
    select * from {{ ref('dim_regions') }}
),

region_modules as (
    select * from {{ ref('dim_region_modules') }}
    where module_code = 'satisfaction'
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

channels as (
    select * from {{ ref('dim_channels') }}
),

-- One rating a case, in the month of its last answer.
answered as (
    select
        filed.case_id,
        filed.region_code,
        filed.source_code,
        filed.block_code,
        filed.last_answered_by as body_code,
        filed.municipality_code,
        filed.channel_code,
        date_trunc('month', filed.last_answered_date)::date as month_date,
        ratings.last_rating_as_of as rating,
        ratings.first_rating_as_of as first_rating
    from filed
    left join ratings on filed.case_id = ratings.case_id
),

-- A source that never told a rating does not ask for any: its answers tell nothing of who responds.
asking as (
    select
        region_code,
        source_code
    from answered
    group by region_code, source_code
    having count(rating) > 0
),

told as (
    select
        answered.*,
        asking.source_code is not null as is_asked
    from answered
    left join asking
        on
            answered.region_code = asking.region_code
            and answered.source_code = asking.source_code
),

periods as (
    select *
    from (values ('month'), ('quarter')) as each_kind (period_kind)
),

monthly as (
    select
        month_date,
        region_code,
        block_code,
        body_code,
        municipality_code,
        channel_code,
        {{ cut_code | trim }} as cut_code,
        count(*) filter (where is_asked) as answered_cases,
        count(*) filter (where not is_asked) as not_asked_cases,
        count(rating) as rated_cases,
        count(*) filter (where rating >= 4) as satisfied_cases,
        sum(rating) as rating_sum,
        sum(first_rating) as first_rating_sum
    from told
    group by
        month_date,
        region_code,
        {{ cuts | trim }}
),

-- A quarter is the sum of its months: everything is read once.
counted as (
    select
        periods.period_kind,
        date_trunc(periods.period_kind, monthly.month_date)::date as period_start,
        monthly.region_code,
        monthly.block_code,
        monthly.body_code,
        monthly.municipality_code,
        monthly.channel_code,
        monthly.cut_code,
        sum(monthly.answered_cases)::bigint as answered_cases,
        sum(monthly.not_asked_cases)::bigint as not_asked_cases,
        sum(monthly.rated_cases)::bigint as rated_cases,
        sum(monthly.satisfied_cases)::bigint as satisfied_cases,
        sum(monthly.rating_sum) as rating_sum,
        sum(monthly.first_rating_sum) as first_rating_sum
    from monthly
    cross join periods
    group by
        periods.period_kind,
        date_trunc(periods.period_kind, monthly.month_date)::date,
        monthly.region_code,
        monthly.block_code,
        monthly.body_code,
        monthly.municipality_code,
        monthly.channel_code,
        monthly.cut_code
),

-- Apart from the counts: putting cases in order sorts them, and few are rated.
dated as (
    select
        told.*,
        periods.period_kind,
        date_trunc(periods.period_kind, told.month_date)::date as period_start
    from told
    cross join periods
    where told.rating is not null
),

rated as (
    select
        period_kind,
        period_start,
        region_code,
        block_code,
        body_code,
        municipality_code,
        channel_code,
        {{ cut_code | trim }} as cut_code,
        array_agg(case_id order by case_id) as case_ids
    from dated
    group by
        period_kind,
        period_start,
        region_code,
        {{ cuts | trim }}
),

by_block as (
    select
        month_date,
        region_code,
        body_code,
        block_code,
        count(*) as cases
    from told
    where body_code is not null
    group by month_date, region_code, body_code, block_code
),

-- The main block of a body: the one with most of its cases in the period (DOMAIN 5.3).
main_blocks as (
    select distinct on (period_kind, period_start, region_code, body_code)
        periods.period_kind,
        date_trunc(periods.period_kind, by_block.month_date)::date as period_start,
        by_block.region_code,
        by_block.body_code,
        by_block.block_code
    from by_block
    cross join periods
    group by
        periods.period_kind,
        date_trunc(periods.period_kind, by_block.month_date)::date,
        by_block.region_code,
        by_block.body_code,
        by_block.block_code
    order by
        period_kind asc,
        period_start asc,
        region_code asc,
        body_code asc,
        sum(by_block.cases) desc,
        block_code asc
),

peered as (
    select
        counted.*,
        rated.case_ids,
        bodies.body_name,
        bodies.body_kind_code,
        main_blocks.block_code as main_block_code,
        regional.satisfied_cases::numeric / nullif(regional.rated_cases, 0) as regional_share,
        case
            when
                counted.cut_code = 'body'
                and count(*) filter (where counted.rated_cases > 0) over peers > 1
                then
                    sum(counted.satisfied_cases) over peers
                    / nullif(sum(counted.rated_cases) over peers, 0)
        end as peer_share
    from counted
    inner join counted as regional
        on
            counted.period_kind = regional.period_kind
            and counted.period_start = regional.period_start
            and counted.region_code = regional.region_code
            and regional.cut_code = 'region'
    left join rated
        on
            counted.period_kind = rated.period_kind
            and counted.period_start = rated.period_start
            and counted.region_code = rated.region_code
            and counted.cut_code = rated.cut_code
            and coalesce(counted.block_code, '') = coalesce(rated.block_code, '')
            and coalesce(counted.body_code, '') = coalesce(rated.body_code, '')
            and coalesce(counted.municipality_code, '') = coalesce(rated.municipality_code, '')
            and coalesce(counted.channel_code, '') = coalesce(rated.channel_code, '')
    left join bodies on counted.cut_code = 'body' and counted.body_code = bodies.body_code
    left join main_blocks
        on
            counted.cut_code = 'body'
            and counted.period_kind = main_blocks.period_kind
            and counted.period_start = main_blocks.period_start
            and counted.region_code = main_blocks.region_code
            and counted.body_code = main_blocks.body_code
    window
        peers as (
            partition by
                counted.cut_code,
                counted.period_kind,
                counted.period_start,
                counted.region_code,
                bodies.body_kind_code,
                main_blocks.block_code
        )
)

select
    peered.period_kind,
    peered.period_start,
    peered.region_code,
    regions.region_name,
    peered.cut_code,
    case peered.cut_code
        when 'region' then 'Регион'
        when 'block' then 'Блок'
        when 'body' then 'Орган'
        when 'municipality' then 'Муниципальное образование'
        when 'channel' then 'Канал'
        when 'block_municipality' then 'Блок и муниципальное образование'
    end as cut_name,
    peered.block_code,
    blocks.block_name,
    peered.body_code,
    case when peered.cut_code = 'body' then coalesce(peered.body_name, 'Не определён') end
        as body_name,
    peered.municipality_code,
    case
        when peered.cut_code in ('municipality', 'block_municipality')
            then coalesce(municipalities.municipality_name, 'Не определено')
    end as municipality_name,
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
    case
        when peered.rated_cases >= {{ least_rated }}
            then
                round(
                    (
                        peered.satisfied_cases
                        + {{ prior_weight }} * coalesce(peered.peer_share, peered.regional_share)
                    )
                    / (peered.rated_cases + {{ prior_weight }}),
                    4
                )
    end as csat_shrunk_share,
    case
        when peered.rated_cases >= {{ least_rated }}
            then round(coalesce(peered.peer_share, peered.regional_share), 4)
    end as peer_share,
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
    end as not_computed_reason,
    coalesce(
        (
            peered.period_start
            + case peered.period_kind
                when 'month' then interval '1 month' else interval '3 months'
            end
        ) at time zone regions.time_zone <= regions.as_of,
        false
    ) as is_period_finished,
    coalesce(peered.case_ids, array[]::uuid[]) as case_ids,
    coalesce(region_modules.module_label, '') as module_label,
    regions.as_of,
    '{{ var("metric_version") }}' as metric_version,
    '{{ config_version() }}' as config_version
from peered
inner join regions on peered.region_code = regions.region_code
left join region_modules on peered.region_code = region_modules.region_code
left join blocks on peered.block_code = blocks.block_code
left join municipalities on peered.municipality_code = municipalities.municipality_code
left join channels on peered.channel_code = channels.channel_code
