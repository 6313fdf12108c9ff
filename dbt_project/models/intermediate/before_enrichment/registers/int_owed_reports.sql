-- What is owed to whom by the region's moment, one row a report and its term (DOMAIN 5.18): a day, a
-- year, a request. What was delivered is known where a register shows it, and not known elsewhere.
with reports as (
    select * from {{ ref('owed_reports') }}
),

clock as (
    select * from {{ ref('int_region_clock') }}
),

requests as (
    select * from {{ ref('int_information_requests') }}
    where kind_code = 'materials'
),

projects as (
    select * from {{ ref('int_projects') }}
),

orders as (
    select * from {{ ref('stg_orders') }}
    where not is_deleted
),

owed as (
    select
        reports.*,
        clock.as_of_date
    from reports
    inner join clock
        on reports.region_code = clock.region_code and reports.valid_from <= clock.as_of_date
),

-- A report without a term was last given on that day, by its register.
last_entries as (
    select
        region_code,
        'projects' as register_code,
        max(reported_on) as entered_on
    from projects
    group by region_code
    union all
    select
        orders.region_code,
        'orders' as register_code,
        max(orders.raised_on) as entered_on
    from orders
    inner join clock
        on orders.region_code = clock.region_code and orders.raised_on <= clock.as_of_date
    group by orders.region_code
),

terms as (
    select
        owed.region_code,
        owed.report_code,
        owed.valid_from,
        series.period_start::date as period_start,
        -- The last day of the period; the first year is as long as the act was in force.
        (
            date_trunc(owed.period, series.period_start)
            + case owed.period when 'year' then interval '1 year' else interval '1 day' end
        )::date - 1 as due_on,
        null::date as delivered_on,
        null::text as request_number
    from owed
    cross join
        lateral generate_series(
            date_trunc(owed.period, owed.valid_from::timestamp),
            least(owed.as_of_date, coalesce(owed.valid_to - 1, owed.as_of_date))::timestamp,
            case owed.period when 'year' then interval '1 year' else interval '1 day' end
        ) as series (period_start)
    where owed.period in ('day', 'year')
    union all
    select
        owed.region_code,
        owed.report_code,
        owed.valid_from,
        requests.received_on as period_start,
        requests.due_on,
        requests.answered_on as delivered_on,
        requests.request_number
    from owed
    inner join requests
        on
            owed.region_code = requests.region_code
            and owed.register_code = 'information_requests'
            and owed.requester_code = requests.requester_code
            and {{ in_force('owed', 'requests.received_on') }}
    where owed.period = 'by_request'
)

select
    owed.region_code,
    owed.report_code,
    owed.report_name,
    owed.from_role,
    owed.to_role,
    owed.period,
    owed.register_code,
    owed.clause,
    greatest(terms.period_start, owed.valid_from) as period_start,
    terms.due_on,
    coalesce(terms.delivered_on, last_entries.entered_on) as delivered_on,
    terms.request_number,
    case
        when owed.register_code is null then 'no_register'
        when owed.period = 'by_request' and terms.report_code is null then 'no_requests'
        when terms.due_on is null then 'no_term'
        when terms.delivered_on <= terms.due_on then 'delivered'
        when terms.delivered_on is not null then 'delivered_late'
        when terms.due_on < owed.as_of_date then 'late'
        else 'not_due'
    end as report_state_code,
    -- Late when the term has passed, whether a register is kept or not.
    case
        when terms.due_on is not null
            then coalesce(terms.delivered_on, owed.as_of_date) > terms.due_on
    end as is_late,
    owed.as_of_date
from owed
left join terms
    on
        owed.region_code = terms.region_code
        and owed.report_code = terms.report_code
        and owed.valid_from = terms.valid_from
left join last_entries
    on
        owed.period = 'not_named'
        and owed.region_code = last_entries.region_code
        and owed.register_code = last_entries.register_code
