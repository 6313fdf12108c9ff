-- Rostered hours of a block in a week. A person who serves two blocks counts once: by declared shares.
with rosters as (
    select * from {{ ref('stg_duty_rosters') }}
    where not is_deleted and week_start is not null
),

labels as (
    select * from {{ ref('int_block_labels') }}
),

matched as (
    select
        rosters.region_code,
        rosters.week_start,
        rosters.hours,
        coalesce(rosters.block_share, 1) as block_share,
        labels.block_code
    from rosters
    inner join labels
        on
            rosters.region_code = labels.region_code
            and {{ match_key('rosters.block_label') }} = labels.label_key
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
