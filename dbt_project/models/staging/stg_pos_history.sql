with source as (
    select distinct on (record_key) *
    from {{ source('pos', 'pos_history') }}
    order by record_key asc, raw_id desc
),

renamed as (
    select
        {{ record_key_columns() }},
        -- the event
        fields.case_native_id,
        coalesce(fields.cycle_no, 1)::int as cycle_no,
        fields.event as event_code,
        fields.occurred_at,
        fields.body,
        fields.new_due_at,
        fields.rating::int as rating
    from source
    cross join lateral jsonb_to_record(source.record) as fields (
        case_native_id text, cycle_no numeric, event text, occurred_at timestamptz, body text,
        new_due_at timestamptz, rating numeric
    )
)

select * from renamed
