-- Every spelling of a block in a region, and the block that it means: one row a spelling. What a
-- region's act says goes before the common names; where it names two blocks alike (J о.3: roads and
-- transport are one department), the first code stands.
with blocks as (
    select * from {{ ref('blocks') }}
),

region_blocks as (
    select * from {{ ref('region_blocks') }}
),

regions as (
    select distinct region_code from {{ ref('regions') }}
),

spellings as (
    select
        regions.region_code,
        blocks.block_code,
        {{ match_key('names.spelling') }} as label_key,
        false as is_of_the_region
    from blocks
    cross join
        lateral unnest(
            array[blocks.block_code, blocks.block_name]
            || string_to_array(coalesce(blocks.aliases, ''), '|')
        ) as names (spelling)
    cross join regions
    union all
    select
        region_code,
        block_code,
        {{ match_key('label') }} as label_key,
        true as is_of_the_region
    from region_blocks
)

select distinct on (region_code, label_key)
    region_code,
    label_key,
    block_code
from spellings
where label_key is not null
order by region_code asc, label_key asc, is_of_the_region desc, block_code asc
