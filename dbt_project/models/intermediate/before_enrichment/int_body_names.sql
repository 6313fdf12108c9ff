-- Every spelling of a body met in a region, and the body that it means. A spelling that the register
-- of bodies does not know becomes a body of its own, so that no case loses its holder.
with recursive cases as not materialized (
    select
        region_code,
        body_label,
        received_body_label
    from {{ ref('int_case_records') }}
),

history as not materialized (
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

holders as (
    {{- distinct_in_index('holders', 'cases', ['region_code', 'body_label']) }}
),

receivers as (
    {{- distinct_in_index('receivers', 'cases', ['region_code', 'received_body_label']) }}
),

named_in_history as (
    {{- distinct_in_index('named_in_history', 'history', ['region_code', 'body']) }}
),

checked as (
    select
        region_code,
        body,
        count(*) as times
    from checks
    where body is not null
    group by region_code, body
),

met as (
    select
        region_code,
        body_label as body_name
    from holders
    union
    select * from receivers
    union
    select * from named_in_history
    union
    select
        region_code,
        body as body_name
    from checked
),

-- Materialized: the condition of the next steps would be computed for every row of what is counted.
keyed as materialized (
    select
        region_code,
        body_name,
        {{ match_key('body_name') }} as body_key
    from met
),

rivals as (
    select
        region_code,
        body_key
    from keyed
    where body_key is not null
    group by region_code, body_key
    having count(*) > 1
),

-- How often is asked only where several spellings mean one body: they are written millions of times.
counted as (
    select
        keyed.region_code,
        keyed.body_name,
        keyed.body_key,
        case
            when rivals.body_key is not null
                then
                    (
                        select count(*) from cases
                        where
                            cases.region_code = keyed.region_code
                            and cases.body_label = keyed.body_name
                    )
                    + (
                        select count(*) from cases
                        where
                            cases.region_code = keyed.region_code
                            and cases.received_body_label = keyed.body_name
                    )
                    + (
                        select count(*) from history
                        where
                            history.region_code = keyed.region_code
                            and history.body = keyed.body_name
                    )
                    + coalesce(checked.times, 0)
        end as times
    from keyed
    left join rivals
        on keyed.region_code = rivals.region_code and keyed.body_key = rivals.body_key
    left join checked
        on keyed.region_code = checked.region_code and keyed.body_name = checked.body
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
