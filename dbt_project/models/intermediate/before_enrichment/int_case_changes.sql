{{ config(
    materialized='incremental',
    incremental_strategy='change_log',
    pre_hook="{{ take_redacted_records() }}",
    post_hook="{{ forget_redacted_records() }}",
    indexes=[{'columns': ['found_at']}],
) }}
{%- set case_tables = [
    source('pos', 'pos_messages'), source('open311', 'open311_requests'),
    source('municipal_register', 'municipal_register'), source('vk', 'vk_posts'),
    source('vk', 'vk_comments'), source('kursk_messages', 'kursk_messages'),
    source('perm_incidents', 'perm_incidents'), source('boston_311_2015', 'boston_311_2015'),
    source('fixmystreet_polls', 'fixmystreet_polls'),
    source('chelyabinsk_comments', 'chelyabinsk_comments'),
    source('vk_api_responses', 'vk_api_responses')
] %}
{%- set other_tables = [source('pos', 'pos_cards'), source('pos', 'pos_history')] %}
{%- set loads = source('ops', 'loads') %}
{%- set withdrawn_rows = source('ops', 'withdrawn_rows') %}
{%- set redacted_records = source('ops', 'redacted_records') %}
{%- set staged_records = ref('int_records_unioned') %}
{%- set staged_cards = ref('stg_pos_cards') %}
{%- set staged_history = ref('stg_pos_history') %}
-- Which records have changed since the build before, and of which cases the rows have to be made anew.
-- A log: who reads it takes what was found since its own last build. Of a record that is gone only the
-- tables of the build before tell whose it was, so they are read as they stand.
{%- if is_by_change() %}
    with known as (
        select
            (known ->> 'loads')::int8multirange as loads,
            (known ->> 'withdrawn_loads')::int8multirange as withdrawn_loads
        from audit.model_states
        where model = 'int_case_changes'
    ),

    new_loads as materialized (
        select loads.load_id
        from {{ loads }} as loads
        cross join known
        where loads.outcome <> 'running' and not known.loads @> loads.load_id
    ),

    redacted as (
        select record_key from {{ redacted_records }}
        where is_taken
    ),

    changed as materialized (
        {%- for table in case_tables + other_tables %}
            select record_key from {{ table }}
            where load_id = any(array(select new_loads.load_id from new_loads))
            union
        {%- endfor %}
        select record_key from {{ withdrawn_rows }}
        where
            withdrawn_load_id = any(
                array(
                    select loads.load_id
                    from {{ loads }} as loads
                    cross join known
                    where
                        loads.withdrawn_at is not null
                        and not known.withdrawn_loads @> loads.load_id
                )
            )
        union
        select record_key from redacted
    ),

    changed_cases as (
        select
            case_id,
            source_code,
            region_code,
            parent_native_id,
            is_by_body,
            text_hash
        from {{ as_built('int_case_records') }}
        where case_id = any(array(select changed.record_key from changed))
    ),

    cards as (
        select * from {{ as_built('int_case_cards') }}
        where record_key = any(array(select changed.record_key from changed))
    ),

    history as (
        select * from {{ as_built('int_case_history') }}
        where record_key = any(array(select changed.record_key from changed))
    ),

    new_cards as (
        select * from {{ staged_cards }}
        where record_key = any(array(select changed.record_key from changed))
    ),

    new_history as (
        select * from {{ staged_history }}
        where record_key = any(array(select changed.record_key from changed))
    ),

    new_records as (
        select * from {{ staged_records }}
        where record_key = any(array(select changed.record_key from changed))
    ),

    -- The number by which a record names its case, as it was and as it is.
    named as (
        select
            record_key,
            source_code,
            region_code,
            native_id
        from cards
        union
        select
            record_key,
            source_code,
            region_code,
            native_id
        from new_cards
        union
        select
            record_key,
            source_code,
            region_code,
            case_native_id
        from history
        union
        select
            record_key,
            source_code,
            region_code,
            case_native_id
        from new_history
        -- What a body says under a post answers it.
        union
        select
            case_id,
            source_code,
            region_code,
            parent_native_id
        from changed_cases
        where is_by_body and parent_native_id is not null
        union
        select
            record_key,
            source_code,
            region_code,
            parent_native_id
        from new_records
        where is_by_body and parent_native_id is not null
    ),

    -- By the index on the number.
    named_cases as (
        select
            case_id,
            source_code,
            region_code,
            native_id
        from {{ as_built('int_case_records') }}
        where native_id = any(array(select named.native_id from named))
    ),

    forgotten_texts as (
        select changed_cases.text_hash
        from changed_cases
        inner join redacted on changed_cases.case_id = redacted.record_key
    ),

    -- A case that comes with this build is among the changed records itself.
    affected as (
        select
            record_key,
            record_key as case_id
        from changed
        union
        select
            named.record_key,
            named_cases.case_id
        from named
        inner join named_cases
            on
                named.source_code = named_cases.source_code
                and named.region_code = named_cases.region_code
                and named.native_id = named_cases.native_id
        -- Equal texts share what was read of them, and an erasure takes that away.
        union
        select
            null as record_key,
            case_id
        from {{ as_built('int_case_records') }}
        where text_hash = any(array(select forgotten_texts.text_hash from forgotten_texts))
    )

    select
        record_key,
        case_id,
        {{ moment_of_run(is_log=true) }} as found_at
    from affected
{%- else %}
-- What was built before is not known: whoever reads this builds everything.
    select
        null::uuid as record_key,
        null::uuid as case_id,
        null::timestamptz as found_at
    where false
{%- endif %}
