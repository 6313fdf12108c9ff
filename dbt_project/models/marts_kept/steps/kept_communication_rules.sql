{{ config(
    materialized='incremental',
    incremental_strategy='by_change',
    unique_key='rule_key',
    pre_hook="{{ collect_redo(
        rule_key(\"'month'\"),
        name='rule_key',
        told_by='kept_communication_cases',
        also=rule_keys_of_quarters()
    ) }}",
    indexes=[{'columns': ['rule_key']}],
) }}
-- What was flagged by a rule in a region in a month or a quarter, and what people said of it.
with dated as (
    select
        periods.period_kind,
        date_trunc(periods.period_kind, issues.month_date::timestamp)::date as period_start,
        issues.region_code,
        issues.rule_code,
        issues.block_code,
        issues.body_code,
        issues.flagged,
        issues.reviewed,
        issues.confirmed,
        issues.case_ids,
        {{ rule_key('periods.period_kind') }} as rule_key
    from {{ ref('kept_communication_issues') }} as issues
    cross join (values ('month'), ('quarter')) as periods (period_kind)
    where
        issues.rule_code <> 'PERSON'
        and {{ is_redone(rule_key('periods.period_kind'), 'rule_key', by_hash=true) }}
),

-- Reviewers do not look into every body alike: each body in a block is a stratum of its own.
strata as (
    select
        rule_key,
        period_kind,
        period_start,
        region_code,
        rule_code,
        block_code,
        body_code,
        sum(flagged)::bigint as flagged,
        sum(reviewed)::bigint as reviewed,
        sum(confirmed)::bigint as confirmed
    from dated
    group by
        rule_key, period_kind, period_start, region_code, rule_code, block_code, body_code
),

weighted as (
    select
        rule_key,
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
    group by rule_key, period_kind, period_start, region_code, rule_code
),

-- Each list is put in order by itself, below: ordering all flags at once takes most of the time.
members as (
    select
        dated.rule_key,
        array_agg(member.case_id) as case_ids
    from dated
    cross join lateral unnest(dated.case_ids) as member (case_id)
    group by dated.rule_key
)

select
    weighted.*,
    array(
        select member.case_id
        from unnest(members.case_ids) as member (case_id)
        order by member.case_id
    ) as case_ids
from weighted
inner join members on weighted.rule_key = members.rule_key
