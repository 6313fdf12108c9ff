-- Values that bodies declared by the region's moment, with the days of their period. Who wrote and who
-- checked stay in the register: only whether they are two people goes on (DOMAIN 5.11).
with indicators as (
    select * from {{ ref('stg_indicators') }}
    where not is_deleted and declared_on is not null
),

clock as (
    select * from {{ ref('int_region_clock') }}
),

block_labels as (
    select * from {{ ref('int_block_labels') }}
),

body_names as (
    select * from {{ ref('int_body_names') }}
),

register_values as (
    select * from {{ ref('register_values') }}
),

formulas as (
    select * from {{ ref('indicator_formulas') }}
),

known as (
    select
        indicators.*,
        clock.as_of_date,
        make_date(
            left(indicators.period, 4)::int,
            case
                when indicators.period ~ '-[КK]' then 3 * right(indicators.period, 1)::int - 2
                when indicators.period ~ '-[МM]' then right(indicators.period, 2)::int
                else 1
            end,
            1
        ) as period_start,
        case
            when indicators.period ~ '-[КK]' then 'quarter'
            when indicators.period ~ '-[МM]' then 'month'
            else 'year'
        end as period_kind,
        indicators.verified_by_key = indicators.declared_by_key as is_verified_by_author,
        indicators.verified_on <= clock.as_of_date as is_verified,
        indicators.approved_on <= clock.as_of_date as is_approved
    from indicators
    inner join clock
        on
            indicators.region_code = clock.region_code
            and indicators.declared_on <= clock.as_of_date
),

judged as (
    select
        *,
        coalesce(is_verified_by_author, false) as is_self_verified,
        case
            when state_code = 'draft' or not coalesce(is_verified, true) then 'draft'
            -- A value that its author checked was not checked.
            when is_verified_by_author then 'draft'
            when state_code = 'approved' and not coalesce(is_approved, true) then 'verified'
            else state_code
        end as state_known
    from known
)

select distinct on (judged.record_key)
    judged.record_key,
    judged.region_code,
    judged.indicator_code,
    judged.indicator_name,
    judged.kind_code,
    kinds.value_name as kind_name,
    judged.direction_code,
    directions.value_name as direction_name,
    block_labels.block_code,
    judged.block_label,
    body_names.body_code,
    judged.body_label,
    judged.period,
    judged.period_kind,
    judged.period_start,
    (
        judged.period_start
        + case judged.period_kind
            when 'year' then interval '1 year'
            when 'quarter' then interval '3 months'
            else interval '1 month'
        end
    )::date as period_end,
    judged.unit,
    judged.target_value,
    judged.declared_value,
    judged.evidence,
    judged.declared_on,
    judged.state_known as state_code,
    states.value_name as state_name,
    case when judged.state_known <> 'draft' then judged.verified_on end as verified_on,
    case when judged.state_known = 'approved' then judged.approved_on end as approved_on,
    case when judged.state_known = 'rejected' then judged.rejection_reason end as rejection_reason,
    judged.is_self_verified,
    formulas.formula_code,
    formulas.formula_name,
    judged.as_of_date
from judged
{{ join_block('judged') }}
{{ join_body('judged') }}
{{ join_value('kinds', 'judged.kind_code', 'indicators', 'kind') }}
{{ join_value('directions', 'judged.direction_code', 'indicators', 'direction') }}
{{ join_value('states', 'judged.state_known', 'indicators', 'state') }}
-- The formula in force when the period began; a region's own goes before the common one.
left join formulas
    on
        judged.indicator_code = formulas.indicator_code
        and formulas.region_code in (judged.region_code, '*')
        and {{ match_key('judged.unit') }} = {{ match_key('formulas.unit') }}
        and {{ in_force('formulas', 'judged.period_start') }}
order by judged.record_key asc, (formulas.region_code <> '*') desc nulls last
