{{ config(
    indexes=[
        {'columns': ['region_code', 'month_start']},
    ]
) }}
with deliveries as (
    select * from {{ ref('int_data_deliveries') }}
),

requests as (
    select * from {{ ref('int_information_requests') }}
),

regions as (
    select * from {{ ref('dim_regions') }}
),

modules as (
    select
        region_code,
        module_label
    from {{ ref('dim_region_modules') }}
    where module_code = 'data_supply'
),

supplied as (
    select
        region_code,
        'delivery' as supply_kind_code,
        supplier_name,
        'ЦУР' as recipient_name,
        subject_name,
        source_code,
        entity_code,
        period,
        clause,
        is_connected,
        date_trunc('month', coalesce(period_start, as_of_date))::date as month_start,
        delivery_state_code,
        days_over_term,
        is_outage_start,
        outage_days,
        load_id,
        null as request_number
    from deliveries
    union all
    select
        region_code,
        'request' as supply_kind_code,
        'ЦУР' as supplier_name,
        requester_name as recipient_name,
        kind_name as subject_name,
        null as source_code,
        null as entity_code,
        'request' as period,
        null as clause,
        true as is_connected,
        date_trunc('month', received_on::timestamp)::date as month_start,
        delivery_state_code,
        days_over_term,
        null as is_outage_start,
        null as outage_days,
        null as load_id,
        request_number
    from requests
),

counted as (
    select
        region_code,
        supply_kind_code,
        supplier_name,
        recipient_name,
        subject_name,
        source_code,
        entity_code,
        period,
        clause,
        is_connected,
        month_start,
        count(delivery_state_code) as expected,
        count(*) filter (where delivery_state_code = 'in_time') as in_time,
        count(*) filter (where delivery_state_code = 'late') as late,
        count(*) filter (where delivery_state_code = 'missing') as missing,
        count(*) filter (where delivery_state_code = 'not_due') as not_due,
        count(*) filter (where delivery_state_code = 'without_term') as without_term,
        avg(days_over_term) filter (where delivery_state_code in ('late', 'missing'))
            as mean_days_late,
        max(days_over_term) filter (where delivery_state_code in ('late', 'missing'))
            as longest_days_late,
        count(*) filter (where is_outage_start) as outages,
        max(outage_days) as longest_outage_days,
        array_agg(distinct load_id) filter (where load_id is not null) as load_ids,
        array_agg(request_number order by request_number)
        filter (where request_number is not null) as request_numbers
    from supplied
    group by
        region_code,
        supply_kind_code,
        supplier_name,
        recipient_name,
        subject_name,
        source_code,
        entity_code,
        period,
        clause,
        is_connected,
        month_start
)

select
    counted.region_code,
    regions.region_name,
    counted.supply_kind_code,
    case counted.supply_kind_code
        when 'delivery' then 'передача данных в ЦУР'
        when 'request' then 'ответы на запросы'
    end as supply_kind_name,
    counted.supplier_name,
    counted.recipient_name,
    counted.subject_name,
    counted.source_code,
    counted.entity_code,
    case counted.period
        when 'day' then 'ежедневно'
        when 'week' then 'еженедельно'
        when 'month' then 'ежемесячно'
        when 'quarter' then 'ежеквартально'
        when 'request' then 'по запросу'
    end as period_name,
    counted.month_start,
    counted.is_connected,
    counted.expected,
    counted.in_time,
    counted.late,
    counted.missing,
    counted.not_due,
    counted.without_term,
    round(
        counted.in_time::numeric / nullif(counted.in_time + counted.late + counted.missing, 0), 4
    ) as in_time_share,
    round(counted.mean_days_late::numeric, 2) as mean_days_late,
    round(counted.longest_days_late::numeric, 2) as longest_days_late,
    case when counted.supply_kind_code = 'delivery' then counted.outages end as outages,
    counted.longest_outage_days,
    case
        when not counted.is_connected then 'источник не подключён'
        when counted.in_time + counted.late + counted.missing > 0 then null
        when counted.without_term > 0 then 'срок ответа не назван'
        else 'ни один срок ещё не наступил'
    end as not_computed_reason,
    counted.load_ids,
    counted.request_numbers,
    counted.clause,
    -- A module that no row names is asked for by no act.
    coalesce(modules.module_label, 'вне положения') as module_label,
    regions.as_of,
    '{{ var("metric_version") }}' as metric_version,
    '{{ config_version() }}' as config_version
from counted
inner join regions on counted.region_code = regions.region_code
left join modules on counted.region_code = modules.region_code
