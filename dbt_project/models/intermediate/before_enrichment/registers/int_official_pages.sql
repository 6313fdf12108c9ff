-- Official pages and sites as of the region's moment, and the mandatory pages that the register does
-- not show. The owner's number on VK, where the address tells it, leads to the posts of the page.
with pages as (
    select * from {{ ref('stg_official_pages') }}
    where not is_deleted
),

clock as (
    select * from {{ ref('int_region_clock') }}
),

body_names as (
    select * from {{ ref('int_body_names') }}
),

bodies as (
    select * from {{ ref('int_bodies') }}
),

register_values as (
    select * from {{ ref('register_values') }}
    where register_code = 'official_pages' and field = 'platform'
),

platforms as (
    select * from {{ ref('page_platforms') }}
),

mandatory as (
    select * from {{ ref('mandatory_pages') }}
),

known as (
    select
        pages.record_key,
        pages.region_code,
        pages.native_id as page_address,
        pages.platform_code,
        body_names.body_code,
        bodies.body_kind_code,
        pages.body_label,
        pages.title,
        pages.is_confirmed,
        pages.subscribers,
        pages.opened_on,
        case when pages.closed_on <= clock.as_of_date then pages.closed_on end as closed_on,
        case when pages.checked_on <= clock.as_of_date then pages.checked_on end as checked_on,
        -- club123, public123, event123 or wall-123: a community has a negative number.
        case
            when pages.platform_code = 'vk'
                then '-' || substring(
                    lower(pages.native_id)
                    from
                    '^https?://(?:www[.]|m[.])?vk[.](?:com|ru)/(?:club|public|event|wall-)([0-9]+)(?:[^0-9]|$)'
                )
        end as owner_number,
        clock.as_of_date
    from pages
    inner join clock
        on
            pages.region_code = clock.region_code
            and (pages.opened_on is null or pages.opened_on <= clock.as_of_date)
    {{ join_body('pages') }}
    left join bodies on body_names.body_code = bodies.body_code
),

-- Of regions whose register is kept: without a register nothing is known to be missing.
absent as (
    select
        bodies.region_code,
        bodies.body_code,
        bodies.body_kind_code,
        mandatory.platform_code,
        clock.as_of_date
    from bodies
    inner join clock on bodies.region_code = clock.region_code
    cross join mandatory
    left join known
        on
            bodies.region_code = known.region_code
            and bodies.body_code = known.body_code
            and mandatory.platform_code = known.platform_code
            and known.closed_on is null
    where
        bodies.is_registered
        and bodies.region_code in (select pages.region_code from pages)
        and (bodies.valid_from is null or bodies.valid_from <= clock.as_of_date)
        and (bodies.valid_to is null or bodies.valid_to > clock.as_of_date)
        and {{ in_force('mandatory', 'clock.as_of_date') }}
        and known.record_key is null
),

every_page as (
    select
        record_key,
        region_code,
        page_address,
        platform_code,
        body_code,
        body_kind_code,
        body_label,
        title,
        is_confirmed,
        subscribers,
        opened_on,
        closed_on,
        checked_on,
        owner_number,
        case when closed_on is null then 'kept' else 'closed' end as page_state_code,
        as_of_date
    from known
    union all
    select
        md5(body_code || ' ' || platform_code)::uuid as record_key,
        region_code,
        null as page_address,
        platform_code,
        body_code,
        body_kind_code,
        null as body_label,
        null as title,
        null as is_confirmed,
        null as subscribers,
        null as opened_on,
        null as closed_on,
        null as checked_on,
        null as owner_number,
        'absent' as page_state_code,
        as_of_date
    from absent
)

select
    every_page.*,
    register_values.value_name as platform_name,
    coalesce(
        {{ in_force('mandatory', 'every_page.as_of_date') }},
        false
    ) as is_mandatory,
    exists(
        select 1
        from platforms
        where
            platforms.region_code = every_page.region_code
            and platforms.platform_code = every_page.platform_code
            and platforms.body_kind_code in ('*', every_page.body_kind_code)
            and {{ in_force('platforms', 'every_page.as_of_date') }}
    ) as is_in_act
from every_page
left join register_values on every_page.platform_code = register_values.value_code
left join mandatory on every_page.platform_code = mandatory.platform_code
