-- Rostered hours of a block in a week. A person who serves several blocks is capacity counted once
-- (DOMAIN 5.8): by declared shares, and what is not declared is split equally.
with rosters as (
    select * from {{ ref('stg_duty_rosters') }}
    where not is_deleted and week_start is not null
),

labels as (
    select * from {{ ref('int_block_labels') }}
),

-- All rows of a person, also those of a block that nobody knows: hours there are not hours here.
weeks as (
    select
        region_code,
        block_label,
        hours,
        block_share,
        date_trunc('week', week_start)::date as week_start,
        coalesce(sum(block_share) over of_person, 0) as declared_share,
        count(*) filter (where block_share is null) over of_person as rows_without_share
    from rosters
    window of_person as (
        partition by
            region_code, date_trunc('week', week_start), coalesce(staff_key, record_key::text)
    )
),

-- Shares that add up to more than one person are scaled to one.
shared as (
    select
        region_code,
        block_label,
        week_start,
        hours,
        coalesce(
            block_share / greatest(declared_share, 1),
            greatest(1 - declared_share, 0) / rows_without_share
        ) as block_share
    from weeks
),

matched as (
    select
        shared.region_code,
        shared.week_start,
        shared.hours,
        shared.block_share,
        labels.block_code
    from shared
    inner join labels
        on
            shared.region_code = labels.region_code
            and {{ match_key('shared.block_label') }} = labels.label_key
)

select
    region_code,
    block_code,
    week_start,
    round(sum(hours * block_share), 4) as rostered_hours,
    -- 15 % of the hours go to what is no case: DOMAIN 5.8.
    round(sum(hours * block_share) * 0.85, 4) as capacity_hours,
    round(sum(hours * block_share) / 40, 4) as rostered_fte
from matched
group by region_code, block_code, week_start
