{{ config(
    materialized='incremental',
    incremental_strategy='by_cell',
    unique_key='month_date',
    pre_hook="{{ collect_cells(having='has_last_answer') }}",
    indexes=[{'columns': ['region_code', 'month_date', 'part_code']}],
    meta={'by_moment': true},
    grants={'select': ['tsur_analyst', 'tsur_official', 'tsur_auditor']},
) }}
-- Answered cases of a block by the month of their last answer, and how they were rated: of the block,
-- of its bodies, municipalities and channels (`part_code`), each by source. Whether a source asks for
-- ratings at all is told by all of its history, not by a cell. mart_satisfaction looks its cases up here,
-- with the rights of whoever asks.
with filed as (
    select * from {{ ref('int_filed_cases') }}
    where answered_cycles > 0 and {{ is_case_of_redone_cell() }}
),

ratings as (
    select * from {{ ref('int_case_ratings') }}
    where {{ is_case_of_redone_cell() }}
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
        date_trunc('month', filed.last_answered_date::timestamp)::date as month_date,
        ratings.last_rating_as_of as rating,
        ratings.first_rating_as_of as first_rating
    from filed
    left join ratings on filed.case_id = ratings.case_id
)

select
    region_code,
    block_code,
    month_date,
    source_code,
    case grouping(body_code, municipality_code, channel_code)
        when 7 then 'block'
        when 3 then 'body'
        when 5 then 'municipality'
        when 6 then 'channel'
    end as part_code,
    body_code,
    municipality_code,
    channel_code,
    count(*) as cases,
    count(rating) as rated_cases,
    count(*) filter (where rating >= 4) as satisfied_cases,
    sum(rating) as rating_sum,
    sum(first_rating) as first_rating_sum,
    coalesce(
        array_agg(case_id order by case_id) filter (where rating is not null), array[]::uuid[]
    ) as rated_case_ids
from answered
where {{ is_of_redone_cell() }}
group by
    region_code,
    block_code,
    month_date,
    source_code,
    grouping sets ((), (body_code), (municipality_code), (channel_code))
