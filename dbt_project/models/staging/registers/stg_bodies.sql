with source as (
    select distinct on (record_key) *
    from {{ source('bodies', 'bodies') }}
    order by record_key asc, raw_id desc
),

renamed as (
    select
        {{ record_key_columns() }},
        -- the body
        fields.name as body_name,
        fields.short_name,
        fields.body_kind as body_kind_label,
        fields.block as block_label,
        fields.municipality as municipality_label,
        fields.predecessor_code as predecessor_body_code,
        fields.valid_from,
        fields.valid_to,
        fields.act,
        fields.working_days as working_days_code,
        fields.work_start,
        fields.work_end,
        fields.short_day_end,
        fields.break_start,
        fields.break_end,
        fields.note
    from source
    cross join lateral jsonb_to_record(source.record) as fields (
        name text, short_name text, body_kind text, block text, municipality text,
        predecessor_code text, valid_from date, valid_to date, act text, working_days text,
        work_start text, work_end text, short_day_end text, break_start text, break_end text,
        note text
    )
)

select * from renamed
