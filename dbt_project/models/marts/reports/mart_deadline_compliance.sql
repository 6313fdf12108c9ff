{{ config(materialized='view') }}
-- The kept rows with what can move while they stay: the moment that they are of, names that only the
-- data know, and what the act of a region requires by then.
with kept as (
    select * from {{ ref('kept_deadline_compliance') }}
),

regions as (
    select * from {{ ref('dim_regions') }}
),

bodies as (
    select * from {{ ref('dim_bodies') }}
),

-- Joined, not coalesced: a name that is asked for is looked up in an index, the missing one too, and
-- `coalesce` in a condition keeps policies from using one.
places as (
    select
        municipality_code as place,
        municipality_name
    from {{ ref('dim_municipalities') }}
    union all
    select
        '-' as place,
        'Не определено' as municipality_name
),

module_labels as (
    select
        region_code,
        module_label
    from {{ ref('dim_region_modules') }}
    where module_code = 'deadlines'
)

select
    kept.month_date,
    kept.region_code,
    kept.region_name,
    kept.block_code,
    kept.block_name,
    kept.body_code,
    coalesce(bodies.body_name, 'Не определён') as body_name,
    kept.municipality_code,
    places.municipality_name,
    kept.channel_code,
    kept.channel_name,
    kept.cycles,
    kept.due_cohort,
    kept.on_time,
    kept.late,
    kept.overdue_open,
    kept.open,
    kept.answered_not_yet_due,
    kept.undefined,
    kept.extended,
    kept.source_verdict_mismatches,
    kept.source_verdicts_compared,
    coalesce(
        (kept.month_date + interval '1 month') at time zone regions.time_zone <= regions.as_of,
        false
    ) as is_month_finished,
    regions.as_of,
    '{{ var("metric_version") }}' as metric_version,
    '{{ config_version() }}' as config_version,
    kept.on_time_share,
    kept.source_verdict_mismatch_share,
    kept.internal_on_time,
    kept.internal_late,
    kept.internal_overdue_open,
    kept.internal_not_yet_due,
    kept.internal_undefined,
    kept.first_reply_due_cohort,
    kept.first_reply_on_time,
    kept.first_reply_late,
    kept.first_reply_overdue_open,
    kept.first_reply_not_yet_due,
    kept.first_reply_undefined,
    kept.first_reply_on_time_share,
    kept.registration_on_time,
    kept.registration_late,
    kept.registration_overdue_open,
    kept.registration_not_yet_due,
    kept.registration_undefined,
    kept.forwarding_on_time,
    kept.forwarding_late,
    kept.case_ids,
    kept.first_reply_case_ids,
    kept.step_case_ids,
    kept.mismatch_case_ids,
    kept.not_computed_reason,
    module_labels.module_label
from kept
inner join regions on kept.region_code = regions.region_code
inner join module_labels on kept.region_code = module_labels.region_code
inner join places on kept.place = places.place
left join bodies on kept.body_code = bodies.body_code
