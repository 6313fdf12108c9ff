{{ config(
    unique_key=['month_date', 'municipality_code'],
    pre_hook="{{ collect_cells(
        also=cells_of_aged_answers(['30 days', '90 days']), places=true, having='has_answer'
    ) }}",
    indexes=[
        {'columns': ['region_code', 'month_date']},
        {'columns': ['block_code', 'month_date']},
    ]
) }}
with filed as (
    select * from {{ ref('int_filed_cases') }}
    where {{ is_case_of_redone_cell() }}
),

answers as (
    select * from {{ ref('int_answered_cycles') }}
    where {{ is_case_of_redone_cell() }}
),

repeats as (
    select * from {{ ref('int_repeat_cases') }}
    where is_current and {{ is_case_of_redone_cell('repeats_case_id') }}
),

repeated_texts as (
    select * from {{ ref('int_repeated_texts') }}
    where is_current
),

regions as (
    select * from {{ ref('dim_regions') }}
),

blocks as (
    select * from {{ ref('dim_blocks') }}
),

channels as (
    select * from {{ ref('dim_channels') }}
),

same_texts as (
    select
        duplicate_of_case_id as case_id,
        count(*) as copies
    from repeated_texts
    group by duplicate_of_case_id
),

-- Materialized: cells by their places alone, before months are known, would be many times the cycles.
cycles as materialized (
    select
        date_trunc('month', answers.answered_date::timestamp)::date as month_date,
        filed.region_code,
        filed.block_code,
        answers.body_code,
        filed.municipality_code,
        filed.channel_code,
        answers.case_id,
        answers.is_returned
    from answers
    inner join filed on answers.case_id = filed.case_id
),

returned as (
    select
        month_date,
        region_code,
        block_code,
        body_code,
        municipality_code,
        channel_code,
        count(*) as answered_cycles,
        count(*) filter (where is_returned) as returned_cycles,
        array_agg(distinct case_id) filter (where is_returned) as returned_case_ids
    from cycles
    where {{ is_of_redone_cell(place='municipality_code') }}
    group by month_date, region_code, block_code, body_code, municipality_code, channel_code
),

answered as (
    select
        filed.case_id,
        filed.region_code,
        filed.block_code,
        filed.first_answered_by as body_code,
        filed.municipality_code,
        filed.channel_code,
        date_trunc('month', filed.first_answered_date::timestamp)::date as month_date,
        coalesce(same_texts.copies, 0) as copies,
        {{ is_matchable('filed') }} as is_matchable,
        {{ is_observed('filed', 'filed.as_of') }} as is_observed,
        {{ is_observed('filed', 'filed.as_of', '30 days') }} as is_observed_30d,
        repeats.case_id as repeated_by,
        repeats.evidence,
        repeats.prior_replies,
        repeats.repeated_at <= filed.first_answered_at + interval '30 days' as is_within_30d
    from filed
    left join repeats on filed.case_id = repeats.repeats_case_id
    left join same_texts on filed.case_id = same_texts.case_id
    left join repeated_texts on filed.case_id = repeated_texts.case_id
    where filed.answered_cycles > 0 and repeated_texts.case_id is null
),

repeated as (
    select
        month_date,
        region_code,
        block_code,
        body_code,
        municipality_code,
        channel_code,
        count(*) as answered_cases,
        count(*) filter (where not is_matchable) as unmatchable_cases,
        count(*) filter (where is_matchable and is_observed) as observed_cases,
        count(repeated_by) filter (where is_matchable and is_observed) as repeated_cases,
        count(*) filter (where is_matchable and is_observed_30d) as observed_30d_cases,
        count(repeated_by) filter (
            where is_matchable and is_observed_30d and is_within_30d
        ) as repeated_30d_cases,
        count(*) filter (
            where is_matchable and is_observed and evidence = 'house'
        ) as repeated_by_house,
        count(*) filter (
            where is_matchable and is_observed and evidence = 'point'
        ) as repeated_by_point,
        count(*) filter (
            where is_matchable and is_observed and evidence = 'equal_text'
        ) as repeated_by_equal_text,
        count(*) filter (
            where is_matchable and is_observed and evidence = 'similar_text'
        ) as repeated_by_similar_text,
        count(*) filter (
            where is_matchable and is_observed and evidence = 'cross_channel'
        ) as repeated_by_cross_channel,
        count(*) filter (
            where is_matchable and is_observed and repeated_by is not null and prior_replies >= 2
        ) as repeatedly_answered_cases,
        sum(copies)::bigint as same_text_copies,
        array_agg(case_id order by case_id) filter (
            where is_matchable and is_observed and repeated_by is not null
        ) as repeated_case_ids,
        array_agg(distinct repeated_by) filter (
            where is_matchable and is_observed and repeated_by is not null
        ) as repeating_case_ids,
        bool_or(is_matchable and not is_observed) as is_provisional
    from answered
    where {{ is_of_redone_cell(place='municipality_code') }}
    group by month_date, region_code, block_code, body_code, municipality_code, channel_code
),

keys as (
    select
        month_date,
        region_code,
        block_code,
        body_code,
        municipality_code,
        channel_code
    from returned
    union
    select
        month_date,
        region_code,
        block_code,
        body_code,
        municipality_code,
        channel_code
    from repeated
),

joined as (
    select
        keys.*,
        coalesce(returned.answered_cycles, 0) as answered_cycles,
        coalesce(returned.returned_cycles, 0) as returned_cycles,
        coalesce(returned.returned_case_ids, array[]::uuid[]) as returned_case_ids,
        coalesce(repeated.answered_cases, 0) as answered_cases,
        coalesce(repeated.unmatchable_cases, 0) as unmatchable_cases,
        coalesce(repeated.observed_cases, 0) as observed_cases,
        coalesce(repeated.repeated_cases, 0) as repeated_cases,
        coalesce(repeated.observed_30d_cases, 0) as observed_30d_cases,
        coalesce(repeated.repeated_30d_cases, 0) as repeated_30d_cases,
        coalesce(repeated.repeated_by_house, 0) as repeated_by_house,
        coalesce(repeated.repeated_by_point, 0) as repeated_by_point,
        coalesce(repeated.repeated_by_equal_text, 0) as repeated_by_equal_text,
        coalesce(repeated.repeated_by_similar_text, 0) as repeated_by_similar_text,
        coalesce(repeated.repeated_by_cross_channel, 0) as repeated_by_cross_channel,
        coalesce(repeated.repeatedly_answered_cases, 0) as repeatedly_answered_cases,
        coalesce(repeated.same_text_copies, 0) as same_text_copies,
        coalesce(repeated.repeated_case_ids, array[]::uuid[]) as repeated_case_ids,
        coalesce(repeated.repeating_case_ids, array[]::uuid[]) as repeating_case_ids,
        coalesce(repeated.is_provisional, false) as is_provisional
    from keys
    left join returned
        on
            keys.month_date = returned.month_date
            and keys.region_code = returned.region_code
            and keys.block_code = returned.block_code
            and keys.channel_code = returned.channel_code
            and coalesce(keys.body_code, '') = coalesce(returned.body_code, '')
            and coalesce(keys.municipality_code, '') = coalesce(returned.municipality_code, '')
    left join repeated
        on
            keys.month_date = repeated.month_date
            and keys.region_code = repeated.region_code
            and keys.block_code = repeated.block_code
            and keys.channel_code = repeated.channel_code
            and coalesce(keys.body_code, '') = coalesce(repeated.body_code, '')
            and coalesce(keys.municipality_code, '') = coalesce(repeated.municipality_code, '')
)

select
    joined.month_date,
    joined.region_code,
    regions.region_name,
    joined.block_code,
    blocks.block_name,
    joined.body_code,
    joined.municipality_code,
    joined.channel_code,
    coalesce(channels.channel_name, 'Не определён') as channel_name,
    joined.answered_cycles,
    joined.returned_cycles,
    round(joined.returned_cycles::numeric / nullif(joined.answered_cycles, 0), 4) as reopen_share,
    joined.answered_cases,
    joined.unmatchable_cases,
    joined.observed_cases,
    joined.repeated_cases,
    round(joined.repeated_cases::numeric / nullif(joined.observed_cases, 0), 4) as repeat_share,
    joined.observed_30d_cases,
    joined.repeated_30d_cases,
    round(joined.repeated_30d_cases::numeric / nullif(joined.observed_30d_cases, 0), 4)
        as repeat_share_30d,
    joined.is_provisional,
    joined.repeated_by_house,
    joined.repeated_by_point,
    joined.repeated_by_equal_text,
    joined.repeated_by_similar_text,
    joined.repeated_by_cross_channel,
    joined.repeatedly_answered_cases,
    joined.same_text_copies,
    case
        when joined.observed_cases > 0 then null
        when joined.answered_cases = 0 then 'первых ответов в этом месяце нет'
        when joined.answered_cases = joined.unmatchable_cases
            then 'неизвестны заявитель или тема'
        else 'ответам меньше 90 дней'
    end as not_computed_reason,
    joined.returned_case_ids,
    joined.repeated_case_ids,
    joined.repeating_case_ids
from joined
inner join regions on joined.region_code = regions.region_code
inner join blocks on joined.block_code = blocks.block_code
left join channels on joined.channel_code = channels.channel_code
