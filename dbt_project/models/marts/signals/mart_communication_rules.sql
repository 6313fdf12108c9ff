{{ config(
    indexes=[
        {'columns': ['region_code', 'period_kind', 'period_start']},
    ]
) }}
with flags as (
    select * from {{ ref('fct_communication_flags') }}
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

dated as (
    select
        periods.period_kind,
        date_trunc(periods.period_kind, flags.flagged_date)::date as period_start,
        flags.*
    from flags
    cross join (values ('month'), ('quarter')) as periods (period_kind)
),

-- Reviewers do not look into every body alike: each body in a block is a stratum of its own.
strata as (
    select
        period_kind,
        period_start,
        region_code,
        rule_code,
        block_code,
        body_code,
        count(*) as flagged,
        count(*) filter (where is_reviewed) as reviewed,
        count(*) filter (where is_confirmed) as confirmed
    from dated
    group by period_kind, period_start, region_code, rule_code, block_code, body_code
),

weighted as (
    select
        period_kind,
        period_start,
        region_code,
        rule_code,
        sum(flagged)::bigint as flagged,
        sum(reviewed)::bigint as reviewed,
        sum(confirmed)::bigint as confirmed,
        sum(flagged) filter (where reviewed > 0) as represented,
        sum(flagged::numeric * confirmed / nullif(reviewed, 0)) as estimated
    from strata
    group by period_kind, period_start, region_code, rule_code
),

-- Each list is put in order by itself, below: ordering all flags at once takes most of the time.
members as (
    select
        period_kind,
        period_start,
        region_code,
        rule_code,
        array_agg(case_id) as case_ids
    from dated
    group by period_kind, period_start, region_code, rule_code
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
        members.case_ids
    from spine
    left join weighted
        on
            spine.period_kind = weighted.period_kind
            and spine.period_start = weighted.period_start
            and spine.region_code = weighted.region_code
            and spine.rule_code = weighted.rule_code
    left join members
        on
            spine.period_kind = members.period_kind
            and spine.period_start = members.period_start
            and spine.region_code = members.region_code
            and spine.rule_code = members.rule_code
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
    array(
        select member.case_id
        from unnest(measured.case_ids) as member (case_id)
        order by member.case_id
    ) as case_ids,
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
