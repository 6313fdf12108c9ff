-- Каждая запись источника стоит в книге учёта ровно один раз.
-- Every case record of raw is in the ledger exactly once, and nothing else is.
{{ config(store_failures=true, tags=['after_enrichment']) }}
with records as (
    {% for source_name, table_name in [
        ('pos', 'pos_messages'),
        ('open311', 'open311_requests'),
        ('municipal_register', 'municipal_register'),
        ('vk', 'vk_posts'),
        ('vk', 'vk_comments'),
        ('kursk_messages', 'kursk_messages'),
        ('perm_incidents', 'perm_incidents'),
        ('boston_311_2015', 'boston_311_2015'),
        ('fixmystreet_polls', 'fixmystreet_polls'),
        ('chelyabinsk_comments', 'chelyabinsk_comments'),
        ('vk_api_responses', 'vk_api_responses'),
    ] %}
        select record_key from {{ source(source_name, table_name) }}
        {{ 'union' if not loop.last }}
    {% endfor %}
),

ledger as (
    select record_key from {{ ref('mart_case_ledger') }}
)

select
    coalesce(records.record_key, ledger.record_key) as record_key,
    records.record_key is null as is_not_in_raw,
    ledger.record_key is null as is_not_in_ledger
from records
full join ledger on records.record_key = ledger.record_key
where records.record_key is null or ledger.record_key is null
