-- Суммы по муниципалитетам, которые читают диаграммы, равны самой витрине сроков.
-- What the charts read adds up to the mart itself, number by number.
{{ config(store_failures=true, tags=['after_enrichment']) }}
{%- set numbers = [
    'cycles', 'due_cohort', 'on_time', 'late', 'overdue_open', 'open', 'answered_not_yet_due',
    'undefined', 'source_verdict_mismatches'
] %}
with both_sides as (
    select
        'mart' as side,
        month_date,
        region_code,
        block_code,
        body_code,
        channel_code,
        {{ numbers | join(', ') }}
    from {{ ref('mart_deadline_compliance') }}
    union all
    select
        'sums' as side,
        month_date,
        region_code,
        block_code,
        body_code,
        channel_code,
        {{ numbers | join(', ') }}
    from {{ ref('agg_deadline_compliance') }}
)

select
    month_date,
    region_code,
    block_code,
    body_code,
    channel_code
from both_sides
group by month_date, region_code, block_code, body_code, channel_code
having
    false
    {%- for number in numbers %}
        or coalesce(sum({{ number }}) filter (where side = 'mart'), 0)
        <> coalesce(sum({{ number }}) filter (where side = 'sums'), 0)
    {%- endfor %}
