{{ config(
    materialized='incremental',
    incremental_strategy='by_change',
    unique_key='repeats_case_id',
    pre_hook="{{ collect_redo(
        'case_id', 'repeats_case_id', also=touched_repeats(), told_by='int_case_filings'
    ) }}",
    indexes=[
        {'columns': ['repeats_case_id']},
        {'columns': ['case_id']},
        {'columns': ['found_at']},
        {'columns': ['is_current']},
    ],
    meta={'keeps_before': true, 'by_enrichment': true},
) }}
-- Which answered case was followed by a new one about the same: the first that was filed within 90
-- days (DOMAIN 5.4). One row an answered case; `evidence` says what made it the same. Within a
-- municipality alone equal texts count, and those that a model found alike.
with filed as not materialized (
    select * from {{ ref('int_case_filings') }}
    where is_current and topic_code is not null
),

repeated_texts as (
    select case_id from {{ ref('int_repeated_texts') }}
    where is_current
),

{% if is_by_change() -%}
-- Whatever may repeat the cases that are made anew.
    redone as materialized (
        select * from filed
        where {{ is_redone('case_id', 'repeats_case_id') }}
    ),

    near_redone as (
        {{ near_place_keys('redone') }}
    ),

    looked_at as (
        select * from filed
        where
            applicant_key = any(array(select redone.applicant_key from redone))
            or object_topic_key = any(array(
                select redone.object_topic_key from redone
                where redone.house_key is not null
            ))
            or place_topic_key = any(array(select near_redone.near_key from near_redone))
    ),

{% endif -%}
candidates as (
    select filed.*
    from {{ 'looked_at' if is_by_change() else 'filed' }} as filed
    left join repeated_texts on filed.case_id = repeated_texts.case_id
    where repeated_texts.case_id is null
),

near_texts as (
    select * from {{ ref('int_near_texts') }}
    where {{ is_of_step('first_hash', 'looked_at', 'text_hash') }}
),

-- The first answer begins the 90 days: a later one came because the same case was returned. What is
-- filed after a term that was missed repeats the case too.
answered as (
    select
        *,
        greatest(least(first_answered_at, first_due_at), received_at) as repeats_after,
        first_answered_at + interval '90 days' as repeats_until
    from candidates
    where first_answered_at is not null and {{ is_redone('case_id', 'repeats_case_id', by_hash=true) }}
),

same_person as (
    select
        answered.case_id as repeats_case_id,
        followers.case_id,
        followers.received_at,
        case
            when answered.house_key is not null and followers.house_key is not null
                then case when answered.house_key = followers.house_key then 'house' end
            when answered.latitude is not null and followers.latitude is not null
                then case when {{ distance_m('answered', 'followers') }} <= 200 then 'point' end
            when answered.municipality_code = followers.municipality_code
                then
                    case
                        when answered.normalised_text_hash = followers.normalised_text_hash
                            then 'equal_text'
                        when near_texts.first_hash is not null then 'similar_text'
                    end
        end as evidence
    from answered
    inner join candidates as followers
        on
            answered.region_code = followers.region_code
            and answered.applicant_key = followers.applicant_key
            and answered.topic_code = followers.topic_code
            and answered.is_public = followers.is_public
            and answered.case_id <> followers.case_id
            and answered.repeats_after < followers.received_at
            and answered.repeats_until >= followers.received_at
    left join near_texts
        on
            least(answered.text_hash, followers.text_hash) = near_texts.first_hash
            and greatest(answered.text_hash, followers.text_hash) = near_texts.second_hash
),

-- Between a social network and the other channels nobody is known to be the same: object and topic
-- alone decide, and the object has to be a house or a place.
cross_channel_houses as (
    select
        answered.case_id as repeats_case_id,
        followers.case_id,
        followers.received_at,
        'cross_channel' as evidence
    from answered
    inner join candidates as followers
        on
            answered.region_code = followers.region_code
            and answered.topic_code = followers.topic_code
            and answered.house_key = followers.house_key
            and answered.is_public <> followers.is_public
            and answered.repeats_after < followers.received_at
            and answered.repeats_until >= followers.received_at
),

-- 200 m reach two cells of 138 m in every direction.
neighbours as (
    select
        candidates.*,
        candidates.cell_row + row_steps.step as near_row,
        candidates.cell_column + column_steps.step as near_column
    from candidates
    cross join generate_series(-2, 2) as row_steps (step)
    cross join generate_series(-2, 2) as column_steps (step)
    where candidates.is_public and candidates.cell_row is not null
),

near_pairs as (
    select
        case
            when neighbours.received_at > others.received_at then others.case_id
            else neighbours.case_id
        end as repeats_case_id,
        case
            when neighbours.received_at > others.received_at then neighbours.case_id
            else others.case_id
        end as case_id,
        greatest(neighbours.received_at, others.received_at) as received_at
    from neighbours
    inner join candidates as others
        on
            neighbours.region_code = others.region_code
            and neighbours.topic_code = others.topic_code
            and neighbours.near_row = others.cell_row
            and neighbours.near_column = others.cell_column
            and not others.is_public
            and (neighbours.house_key is null or others.house_key is null)
    where {{ distance_m('neighbours', 'others') }} <= 200
),

cross_channel_points as (
    select
        near_pairs.repeats_case_id,
        near_pairs.case_id,
        near_pairs.received_at,
        'cross_channel' as evidence
    from near_pairs
    inner join answered
        on
            near_pairs.repeats_case_id = answered.case_id
            and near_pairs.received_at > answered.repeats_after
            and near_pairs.received_at <= answered.repeats_until
),

followed as (
    select distinct on (repeats_case_id) *
    from (
        select * from same_person
        where evidence is not null
        union all
        select * from cross_channel_houses
        union all
        select * from cross_channel_points
    ) as pairs
    order by repeats_case_id, received_at, case_id
),

-- How many replies the person had had about the same when the case was filed: from two on the law
-- speaks of «неоднократно». Only people who wrote again are looked at.
again as (
    select distinct candidates.applicant_key
    from followed
    inner join candidates on followed.case_id = candidates.case_id
),

-- Beside the cases above, these are all that such a person has.
of_people as (
    select filed.*
    from filed
    left join repeated_texts on filed.case_id = repeated_texts.case_id
    where
        repeated_texts.case_id is null
        and filed.applicant_key = any(array(select again.applicant_key from again))
),

matters as materialized (
    select
        case_id,
        received_at,
        text_hash,
        case
            when object_kind = 'municipality'
                then concat_ws('|', region_code, applicant_key, topic_code, object_key)
        end as municipality_key,
        concat_ws(
            '|',
            region_code,
            applicant_key,
            topic_code,
            object_key,
            case when object_kind = 'municipality' then coalesce(normalised_text_hash, case_id::text) end
        ) as matter_key
    from of_people
    where object_key is not null
),

answers as (
    select
        case_id,
        answered_at
    from {{ ref('int_answered_cycles') }}
    where case_id = any(array(select matters.case_id from matters))
),

counted as (
    select
        case_id,
        count(*) filter (where is_reply) over (
            partition by matter_key order by at range between unbounded preceding and current row
        ) as prior_replies,
        is_reply
    from (
        select
            matters.case_id,
            matters.matter_key,
            matters.received_at as at,
            false as is_reply
        from matters
        union all
        select
            matters.case_id,
            matters.matter_key,
            answers.answered_at as at,
            true as is_reply
        from matters
        inner join answers on matters.case_id = answers.case_id
    ) as steps
),

-- Where only the municipality is known, replies about a text that is alike are about the same, too.
alike as (
    select
        followed.repeats_case_id,
        count(*) as replies
    from followed
    inner join matters on followed.case_id = matters.case_id
    inner join matters as others
        on
            matters.municipality_key = others.municipality_key
            and matters.matter_key <> others.matter_key
    inner join near_texts
        on
            least(matters.text_hash, others.text_hash) = near_texts.first_hash
            and greatest(matters.text_hash, others.text_hash) = near_texts.second_hash
    inner join answers
        on others.case_id = answers.case_id and matters.received_at >= answers.answered_at
    group by followed.repeats_case_id
)

select
    followed.case_id,
    followed.repeats_case_id,
    followed.evidence,
    followed.received_at as repeated_at,
    coalesce(counted.prior_replies, 0) + coalesce(alike.replies, 0) as prior_replies,
    {{ moment_of_run() }} as found_at,
    true as is_current
from followed
left join counted on followed.case_id = counted.case_id and not counted.is_reply
left join alike on followed.repeats_case_id = alike.repeats_case_id
