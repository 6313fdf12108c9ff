{{ config(
    indexes=[
        {'columns': ['region_code', 'platform_code']},
        {'columns': ['body_code']},
    ]
) }}
with pages as (
    select * from {{ ref('int_official_pages') }}
),

records as (
    select
        region_code,
        split_part(native_id, '_', 1) as owner_number,
        case_id,
        native_id,
        parent_native_id,
        kind,
        is_by_body,
        received_at,
        received_at <= as_of and received_at > as_of - interval '28 days' as is_recent,
        received_at <= as_of as has_happened
    from {{ ref('int_cases') }}
    where
        kind in ('post', 'comment')
        and not is_deleted
        and not is_deleted_at_source
        -- Number of the wall, number of the entry: how VK numbers what is written there.
        and native_id ~ '^-[0-9]+_[0-9]+$'
),

regions as (
    select * from {{ ref('dim_regions') }}
),

bodies as (
    select * from {{ ref('dim_bodies') }}
),

modules as (
    select
        region_code,
        module_label
    from {{ ref('dim_region_modules') }}
    where module_code = 'pages'
),

-- A wall of which nothing ever came is not read: silence would be no zero.
walls as (
    select
        region_code,
        owner_number,
        count(*) filter (where is_recent and is_by_body and kind = 'post') as posts
    from records
    where has_happened
    group by region_code, owner_number
),

answers as (
    select
        region_code,
        parent_native_id,
        min(received_at) as answered_at
    from records
    where is_by_body and is_recent and parent_native_id is not null
    group by region_code, parent_native_id
),

activity as (
    select
        messages.region_code,
        messages.owner_number,
        count(*) as messages,
        count(answers.answered_at) as answered,
        percentile_cont(0.5) within group (
            order by extract(epoch from answers.answered_at - messages.received_at) / 3600
        ) as median_answer_hours,
        array_agg(messages.case_id order by messages.case_id) as case_ids
    from records as messages
    left join answers
        on
            messages.region_code = answers.region_code
            and messages.native_id = answers.parent_native_id
            and messages.received_at <= answers.answered_at
    where messages.is_recent and not messages.is_by_body
    group by messages.region_code, messages.owner_number
),

judged as (
    select
        *,
        case
            when page_state_code = 'absent' then 'страницы нет в реестре'
            when page_state_code = 'closed' then 'страница закрыта'
            when platform_code <> 'vk' then 'записи этой площадки не собираются'
            when owner_number is null
                then 'в адресе нет номера сообщества: записи со страницей не связать'
        end as unlinked_reason
    from pages
)

select
    judged.region_code,
    regions.region_name,
    judged.page_address,
    judged.platform_code,
    judged.platform_name,
    judged.body_code,
    coalesce(bodies.body_name, judged.body_label, 'Не назван') as body_name,
    bodies.body_kind_code,
    bodies.body_kind_name,
    judged.title,
    judged.page_state_code,
    case judged.page_state_code
        when 'kept' then 'ведётся'
        when 'closed' then 'закрыта'
        when 'absent' then 'нет в реестре'
    end as page_state,
    judged.is_mandatory,
    judged.is_confirmed,
    judged.subscribers,
    judged.opened_on,
    judged.closed_on,
    judged.checked_on,
    judged.as_of_date - judged.checked_on as days_since_check,
    case when walls.owner_number is not null then walls.posts end as posts_28d,
    case when walls.owner_number is not null then coalesce(activity.messages, 0) end
        as messages_28d,
    case when walls.owner_number is not null then coalesce(activity.answered, 0) end
        as answered_28d,
    round(activity.answered::numeric / activity.messages, 4) as answered_share_28d,
    round(activity.median_answer_hours::numeric, 2) as median_answer_hours_28d,
    coalesce(
        judged.unlinked_reason,
        case when walls.owner_number is null then 'записи этой страницы не собираются' end
    ) as not_computed_reason,
    activity.case_ids,
    judged.record_key,
    -- S asks for sites, the others for pages: what the act does not name is outside it.
    case
        when judged.is_in_act then coalesce(modules.module_label, 'вне положения')
        else 'вне положения'
    end as module_label,
    regions.as_of,
    '{{ var("metric_version") }}' as metric_version,
    '{{ config_version() }}' as config_version
from judged
inner join regions on judged.region_code = regions.region_code
left join modules on judged.region_code = modules.region_code
left join bodies on judged.body_code = bodies.body_code
left join walls
    on
        judged.unlinked_reason is null
        and judged.region_code = walls.region_code
        and judged.owner_number = walls.owner_number
left join activity
    on
        walls.region_code = activity.region_code
        and walls.owner_number = activity.owner_number
