-- Rostered hours of a block in a week. A person who serves two blocks counts once: by declared shares.
with rosters as (
    select * from {{ ref('stg_duty_rosters') }}
    where not is_deleted and week_start is not null
),

blocks as (
    select * from {{ ref('blocks') }}
),

region_blocks as (
    select * from {{ ref('region_blocks') }}
),

labels as (
    select distinct
        spellings.region_code,
        spellings.block_code,
        {{ match_key('spellings.spelling') }} as label_key
    from (
        select
            null as region_code,
            blocks.block_code,
            names.spelling
        from blocks
        cross join
            lateral unnest(
                array[blocks.block_code, blocks.block_name]
                || string_to_array(coalesce(blocks.aliases, ''), '|')
            ) as names (spelling)
        union all
        select
            region_code,
            block_code,
            label
        from region_blocks
    ) as spellings
    where {{ match_key('spellings.spelling') }} is not null
),

matched as (
    select distinct on (rosters.record_key)
        rosters.record_key,
        rosters.region_code,
        rosters.week_start,
        rosters.staff_key,
        rosters.hours,
        coalesce(rosters.block_share, 1) as block_share,
        labels.block_code
    from rosters
    inner join labels
        on
            {{ match_key('rosters.block_label') }} = labels.label_key
            and (labels.region_code is null or rosters.region_code = labels.region_code)
    order by rosters.record_key, (labels.region_code is null), labels.block_code
)

select
    region_code,
    block_code,
    date_trunc('week', week_start)::date as week_start,
    sum(hours * block_share) as rostered_hours,
    -- 15 % of the hours go to what is no case: DOMAIN 5.8.
    round(sum(hours * block_share) * 0.85, 4) as capacity_hours,
    round(sum(hours * block_share) / 40, 4) as rostered_fte
from matched
group by region_code, block_code, date_trunc('week', week_start)::date
