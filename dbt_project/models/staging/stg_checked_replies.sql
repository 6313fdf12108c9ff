with source as (
    select distinct on (record_key) *
    from {{ source('checked_replies', 'checked_replies') }}
    order by record_key asc, raw_id desc
),

renamed as (
    select
        {{ record_key_columns() }},
        -- the check
        fields.case_native_id,
        fields.body,
        fields.checked_at,
        fields.is_passed
    from source
    cross join lateral jsonb_to_record(source.record) as fields (
        case_native_id text, body text, checked_at timestamptz, is_passed boolean
    )
)

select * from renamed
