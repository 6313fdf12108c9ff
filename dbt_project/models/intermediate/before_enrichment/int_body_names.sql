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

register as (
    select * from {{ ref('stg_bodies') }}
    where not is_deleted
),

spelled as (
    select
        body_code,
        region_code,
        array[body_name] || string_to_array(coalesce(aliases, ''), '|') as spellings,
        1 as source_order
    from bodies
    union all
    select
        native_id as body_code,
        region_code,
        array[body_name, short_name] as spellings,
        2 as source_order
    from register
),

known as (
    select distinct on (spelled.region_code, names.body_key)
        spelled.region_code,
        names.body_key,
        spelled.body_code
    from spelled
    cross join
        lateral (
            select {{ match_key('spelling') }} as body_key
            from unnest(spelled.spellings) as each_spelling (spelling)
        ) as names
    where names.body_key is not null
    -- A former name that the reference gives to the body of today stays with it; by whose it was on
    -- a day goes `int_body_tenures`.
    order by
        spelled.region_code asc,
        names.body_key asc,
        spelled.source_order asc,
        spelled.body_code asc
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
