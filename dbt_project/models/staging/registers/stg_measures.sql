with source as (
    select distinct on (record_key) *
    from {{ source('measures', 'measures') }}
    order by record_key asc, raw_id desc
),

renamed as (
    select
        {{ record_key_columns() }},
        -- the measure
        fields.title,
        fields.kind as kind_code,
        fields.cause,
        fields.topic,
        fields.block as block_label,
        fields.municipality as municipality_label,
        fields.place,
        fields.body as body_label,
        fields.responsible_key,
        fields.planned_start_on,
        fields.due_on,
        fields.state as state_code,
        fields.started_on,
        fields.completed_on,
        fields.cancelled_on,
        fields.cancel_reason,
        fields.order_number,
        fields.note
    from source
    cross join lateral jsonb_to_record(source.record) as fields (
        title text, kind text, cause text, topic text, block text, municipality text, place text,
        body text, responsible_key text, planned_start_on date, due_on date, state text,
        started_on date, completed_on date, cancelled_on date, cancel_reason text,
        order_number text, note text
    )
)

select * from renamed
