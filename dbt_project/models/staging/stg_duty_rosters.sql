with source as (
    select distinct on (record_key) *
    from {{ source('duty_rosters', 'duty_rosters') }}
    order by record_key asc, raw_id desc
),

renamed as (
    select
        {{ record_key_columns() }},
        -- the duty
        fields.week_start,
        fields.block as block_label,
        fields.staff_key,
        fields.hours,
        fields.share as block_share
    from source
    cross join lateral jsonb_to_record(source.record) as fields (
        week_start date, block text, staff_key text, hours numeric, share numeric
    )
)

select * from renamed
