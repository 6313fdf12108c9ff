-- The bodies of the reference, those that only the register of bodies knows (former ones among them),
-- and those that only the data name.
with bodies as (
    select * from {{ ref('bodies') }}
),

register as (
    select * from {{ ref('stg_bodies') }}
    where not is_deleted and body_name is not null
),

body_kinds as (
    select * from {{ ref('body_kinds') }}
    where valid_to is null
),

blocks as (
    select
        block_code,
        {{ match_key('block_name') }} as block_key,
        null::text as region_code
    from {{ ref('blocks') }}
    union all
    select
        block_code,
        {{ match_key('label') }} as block_key,
        region_code
    from {{ ref('region_blocks') }}
    where label is not null
),

body_names as (
    select * from {{ ref('int_body_names') }}
),

referenced as (
    select
        body_code,
        region_code,
        body_name,
        body_kind_code,
        nullif(block_code, '') as block_code,
        valid_from,
        valid_to,
        clause,
        true as is_registered
    from bodies
),

registered as (
    select distinct on (register.native_id)
        register.native_id as body_code,
        register.region_code,
        register.body_name,
        coalesce(body_kinds.body_kind_code, 'observed') as body_kind_code,
        blocks.block_code,
        coalesce(register.valid_from, '2010-01-01') as valid_from,
        register.valid_to,
        coalesce(register.act, 'реестр органов') as clause,
        true as is_registered
    from register
    left join bodies on register.native_id = bodies.body_code
    left join body_kinds
        on
            {{ match_key('register.body_kind_label') }}
            = {{ match_key('body_kinds.body_kind_name') }}
    left join blocks
        on
            {{ match_key('register.block_label') }} = blocks.block_key
            and coalesce(blocks.region_code, register.region_code) = register.region_code
    where bodies.body_code is null
    order by register.native_id asc, register.region_code asc, blocks.region_code asc nulls last
),

observed as (
    select
        body_code,
        region_code,
        min(body_name) as body_name,
        'observed' as body_kind_code,
        null::text as block_code,
        null::date as valid_from,
        null::date as valid_to,
        'в справочнике органов нет' as clause,
        false as is_registered
    from body_names
    where not is_known
    group by body_code, region_code
)

select * from referenced
union all
select * from registered
union all
select * from observed
