-- The bodies of the register and those that only the data name.
with bodies as (
    select * from {{ ref('bodies') }}
),

body_names as (
    select * from {{ ref('int_body_names') }}
),

registered as (
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

select * from registered
union all
select * from observed
