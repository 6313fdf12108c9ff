{{ config(
    materialized='incremental',
    incremental_strategy='by_change',
    unique_key='object_topic_key',
    pre_hook="{{ collect_redo('object_topic_key', told_by='int_case_filings') }}",
    indexes=[
        {'columns': ['problem_id'], 'unique': true},
        {'columns': ['object_topic_key']},
    ],
) }}
{%- set least_people = 5 %}
-- One problem of many: at least five people, one topic, one object (a house, else a place of 200 m,
-- else a street), within 30 days (DOMAIN 5.12). It lasts while another window of 30 days joins on.
with filed as (
    select * from {{ ref('int_case_filings') }}
    where
        is_current
        and topic_code is not null
        and object_kind in ('house', 'point', 'street')
        and {{ is_redone('object_topic_key', 'object_topic_key') }}
),

-- A group without five people has no problem: most groups end here.
large as (
    select object_topic_key
    from filed
    group by object_topic_key
    having count(distinct applicant_key) >= {{ least_people }}
),

considered as (
    select
        filed.*,
        lead(filed.received_at) over (
            partition by filed.object_topic_key, filed.applicant_key
            order by filed.received_at, filed.case_id
        ) as same_person_again_at
    from filed
    inner join large on filed.object_topic_key = large.object_topic_key
),

-- A person counts from a case until 30 days later or until the next case of the same person: so the
-- running sum is the number of people of the last 30 days, and nobody is in it twice. A case of nobody
-- known adds no person, and a window of 30 days ends with it as with any other.
changes as (
    select
        object_topic_key,
        changed_at,
        sum(change) as change
    from (
        select
            object_topic_key,
            received_at as changed_at,
            case when applicant_key is null then 0 else 1 end as change
        from considered
        union all
        select
            object_topic_key,
            least(
                received_at + interval '30 days' + interval '1 microsecond', same_person_again_at
            ) as changed_at,
            -1 as change
        from considered
        where applicant_key is not null
    ) as steps
    group by object_topic_key, changed_at
),

people as (
    select
        object_topic_key,
        changed_at,
        sum(change) over (partition by object_topic_key order by changed_at) as people
    from changes
),

-- The windows of 30 days in which five people wrote, by the case that each ends with.
marked as (
    select
        considered.*,
        min(considered.received_at) filter (where people.people >= {{ least_people }}) over (
            partition by considered.object_topic_key
            order by considered.received_at
            range between current row and unbounded following
        ) as next_full_window_at
    from considered
    left join people
        on
            considered.object_topic_key = people.object_topic_key
            and considered.received_at = people.changed_at
),

members as (
    select
        *,
        received_at - lag(received_at) over (
            partition by object_topic_key order by received_at, case_id
        ) as waited
    from marked
    where next_full_window_at <= received_at + interval '30 days'
),

episodes as (
    select
        *,
        count(*) filter (where waited is null or waited > interval '30 days') over (
            partition by object_topic_key order by received_at, case_id
        ) as episode_no
    from members
),

summed as (
    select
        region_code,
        topic_code,
        object_kind,
        object_key,
        object_topic_key,
        mode() within group (order by block_code) as block_code,
        mode() within group (order by municipality_code) as municipality_code,
        mode() within group (order by body_code) as body_code,
        mode() within group (order by street_name) as street_name,
        (array_agg(case_id order by received_at, case_id))[1] as first_case_id,
        (array_agg(case_id order by received_at desc, case_id desc))[1] as last_case_id,
        min(received_at) as first_received_at,
        max(received_at) as last_received_at,
        min(received_date) as first_received_date,
        max(received_date) as last_received_date,
        count(*) as cases,
        count(distinct applicant_key) as people,
        count(*) filter (where is_open) as open_cases,
        count(*) filter (where answered_cycles > 0) as answered_cases,
        count(distinct source_code) as sources,
        array_agg(case_id order by case_id) as case_ids
    from episodes
    group by region_code, topic_code, object_kind, object_key, object_topic_key, episode_no
)

-- The first case names the problem: later ones do not rename it.
select
    *,
    md5('mass_problem|' || first_case_id::text)::uuid as problem_id
from summed
