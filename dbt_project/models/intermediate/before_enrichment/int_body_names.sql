-- Every spelling of a body met in a region, and the body that it means. A spelling that the register
-- of bodies does not know becomes a body of its own, so that no case loses its holder.
with cases as (
    select * from {{ ref('int_cases') }}
),

history as (
    select * from {{ ref('stg_pos_history') }}
),

checks as (
    select * from {{ ref('stg_checked_replies') }}
),

bodies as (
    select * from {{ ref('bodies') }}
),

known as (
    select
        bodies.region_code,
        names.body_key,
        min(bodies.body_code) as body_code
    from bodies
    cross join
        lateral (
            select {{ match_key('spelling') }} as body_key
            from unnest(
                array[bodies.body_name] || string_to_array(coalesce(bodies.aliases, ''), '|')
            ) as spellings (spelling)
        ) as names
    where names.body_key is not null
    group by bodies.region_code, names.body_key
),

met as (
    select
        region_code,
        body_label as body_name,
        {{ match_key('body_label') }} as body_key
    from cases
    union all
    select
        region_code,
        received_body_label,
        {{ match_key('received_body_label') }}
    from cases
    union all
    select
        region_code,
        body,
        {{ match_key('body') }}
    from history
    union all
    select
        region_code,
        body,
        {{ match_key('body') }}
    from checks
),

observed as (
    select
        region_code,
        body_key,
        -- The spelling that is met most often names the body.
        mode() within group (order by body_name) as body_name
    from met
    where body_key is not null
    group by region_code, body_key
),

every_name as (
    select
        coalesce(known.region_code, observed.region_code) as region_code,
        coalesce(known.body_key, observed.body_key) as body_key,
        known.body_code as known_body_code,
        observed.body_name
    from known
    full join observed
        on known.region_code = observed.region_code and known.body_key = observed.body_key
)

select
    region_code,
    body_key,
    coalesce(known_body_code, region_code || '_' || left(md5(body_key), 12)) as body_code,
    body_name,
    known_body_code is not null as is_known
from every_name
