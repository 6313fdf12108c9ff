{{ config(
    indexes=[
        {'columns': ['region_code', 'period_kind', 'period_start']},
    ]
) }}
-- Few rows: what moves with each build (the moment, and what the texts tell by now) is put beside kept
-- ones.
with weighted as (
    select * from {{ ref('kept_communication_rules') }}
),

rules as (
    select * from {{ ref('int_communication_rules') }}
),

regions as (
    select * from {{ ref('dim_regions') }}
),

module_labels as (
    select
        region_code,
        module_label
    from {{ ref('dim_region_modules') }}
    where module_code = 'communication'
),

-- Every rule stands in every period in which the region has a flag at all.
spine as (
    select distinct
        weighted.period_kind,
        weighted.period_start,
        weighted.region_code,
        rules.rule_code,
        rules.rule_name,
        rules.issue_code,
        rules.sort_order,
        rules.is_computed
    from weighted
    cross join rules
),

measured as (
    select
        spine.*,
        case when spine.is_computed then coalesce(weighted.flagged, 0) end as flagged,
        case when spine.is_computed then coalesce(weighted.reviewed, 0) end as reviewed,
        case when spine.is_computed then coalesce(weighted.confirmed, 0) end as confirmed,
        weighted.estimated,
        weighted.represented,
        weighted.case_ids
    from spine
    left join weighted
        on
            spine.period_kind = weighted.period_kind
            and spine.period_start = weighted.period_start
            and spine.region_code = weighted.region_code
            and spine.rule_code = weighted.rule_code
)

select
    measured.period_kind,
    measured.period_start,
    measured.region_code,
    regions.region_name,
    measured.rule_code,
    measured.rule_name,
    measured.issue_code,
    measured.sort_order::int as sort_order,
    measured.flagged,
    measured.reviewed,
    measured.confirmed,
    round(measured.confirmed::numeric / nullif(measured.reviewed, 0), 4) as precision_share,
    round(measured.estimated / nullif(measured.represented, 0), 4) as error_rate,
    round(measured.represented / nullif(measured.flagged, 0), 4) as represented_share,
    measured.is_computed,
    case
        when not measured.is_computed then 'модель текстов этого ещё не определяет'
        when measured.flagged = 0 then 'правило не сработало'
        when measured.reviewed = 0 then 'человек ничего не проверил'
    end as not_computed_reason,
    coalesce(measured.case_ids, '{}') as case_ids,
    coalesce(
        (
            measured.period_start
            + case measured.period_kind
                when 'quarter' then interval '3 months' else interval '1 month'
            end
        )
        at time zone regions.time_zone <= regions.as_of,
        false
    ) as is_period_finished,
    coalesce(module_labels.module_label, 'вне положения') as module_label,
    regions.as_of,
    '{{ var("metric_version") }}' as metric_version,
    '{{ config_version() }}' as config_version
from measured
inner join regions on measured.region_code = regions.region_code
left join module_labels on measured.region_code = module_labels.region_code
