-- Every spelling of a body met in a region, and the body that it means. A spelling that the register
-- of bodies does not know becomes a body of its own, so that no case loses its holder.
with cases as not materialized (
    select
        region_code,
        body_label,
        received_body_label
    from {{ ref('int_case_records') }}
),

history as (
    select
        region_code,
        body
    from {{ ref('int_case_history') }}
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

-- Spellings are counted first: few bodies are written millions of times.
met as (
    select
        region_code,
        body_label as body_name,
        count(*) as times
    from cases
    group by region_code, body_label
    union all
    select
        region_code,
        received_body_label as body_name,
        count(*) as times
    from cases
    group by region_code, received_body_label
    union all
    select
        region_code,
        body as body_name,
        count(*) as times
    from history
    group by region_code, body
    union all
    select
        region_code,
        body as body_name,
        count(*) as times
    from checks
    group by region_code, body
),

-- Materialized: the condition of the next step would be computed for every row of what is counted.
counted as materialized (
    select
        region_code,
        body_name,
        {{ match_key('body_name') }} as body_key,
        sum(times) as times
    from met
    group by region_code, body_name
),

-- The spelling that is met most often names the body.
observed as (
    select distinct on (region_code, body_key)
        region_code,
        body_key,
        body_name
    from counted
    where body_key is not null
    order by region_code asc, body_key asc, times desc, body_name asc
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
