with source as (
    select distinct on (record_key) *
    from {{ source('corrections', 'corrections') }}
    order by record_key asc, raw_id desc
),

renamed as (
    select
        {{ record_key_columns() }},
        -- the correction
        fields.case_source,
        fields.case_native_id,
        fields.field as field_code,
        fields.new_value,
        fields.reason,
        fields.decided_by_key,
        fields.decided_at,
        fields.note
    from source
    cross join lateral jsonb_to_record(source.record) as fields (
        case_source text, case_native_id text, field text, new_value text, reason text,
        decided_by_key text, decided_at timestamptz, note text
    )
)

select * from renamed
