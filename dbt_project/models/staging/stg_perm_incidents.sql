with source as (
    select distinct on (record_key) *
    from {{ source('perm_incidents', 'perm_incidents') }}
    order by record_key asc, raw_id desc
),

renamed as (
    select
        -- Every text of this export starts with a stray apostrophe.
        {{ case_columns("regexp_replace(fields.text, '^''', '')", 'coalesce(fields.text_hash_unquoted, fields.text_hash)') }}
    from source
    cross join lateral jsonb_to_record(source.record) as fields (
        {{ case_fields() }}
    )
)

select * from renamed
