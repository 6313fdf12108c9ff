{{ config(
    materialized='incremental',
    incremental_strategy='by_change',
    unique_key='case_id',
    pre_hook="{{ collect_redo() }}",
    indexes=[{'columns': ['case_id']}],
) }}
-- What happened to a case, one row an event. A source without a history still says when a case came
-- and when it was closed: these two are derived and marked so.
with cases as (
    select
        case_id,
        region_code,
        source_code,
        native_id,
        body_key,
        received_at,
        closed_at,
        observed_at
    from {{ ref('int_case_records') }}
    where {{ is_redone('case_id') }}
),

history as (
    select * from {{ ref('int_case_history') }}
    where
        not is_deleted
        and occurred_at is not null
        and event_code is not null
        {%- if is_by_change() %}
            and case_native_id = any(array(select cases.native_id from cases))
        {%- endif %}
),

body_names as (
    select * from {{ ref('int_body_names') }}
),

told as (
    select
        history.record_key as event_id,
        cases.case_id,
        cases.region_code,
        cases.source_code,
        history.cycle_no,
        history.event_code,
        history.occurred_at,
        body_names.body_code,
        history.new_due_at,
        history.rating,
        false as is_derived,
        history.observed_at as recorded_at
    from history
    inner join cases
        on
            history.region_code = cases.region_code
            and history.case_native_id = cases.native_id
            and history.source_code = cases.source_code
    left join body_names
        on
            history.region_code = body_names.region_code
            and history.body_key = body_names.body_key
),

cases_with_history as (
    select distinct case_id from told
),

derived as (
    select
        md5(cases.case_id::text || facts.event_code)::uuid as event_id,
        cases.case_id,
        cases.region_code,
        cases.source_code,
        1 as cycle_no,
        facts.event_code,
        facts.occurred_at,
        body_names.body_code,
        null::timestamptz as new_due_at,
        null::int as rating,
        true as is_derived,
        cases.observed_at as recorded_at
    from cases
    cross join
        lateral (
            values ('received', cases.received_at), ('answered', cases.closed_at)
        ) as facts (event_code, occurred_at)
    left join body_names
        on cases.region_code = body_names.region_code and cases.body_key = body_names.body_key
    left join cases_with_history on cases.case_id = cases_with_history.case_id
    where facts.occurred_at is not null and cases_with_history.case_id is null
)

select * from told
union all
select * from derived
