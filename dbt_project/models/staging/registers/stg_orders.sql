with source as (
    select distinct on (record_key) *
    from {{ source('orders', 'orders') }}
    order by record_key asc, raw_id desc
),

renamed as (
    select
        {{ record_key_columns() }},
        -- the question and its order
        fields.question,
        fields.basis as basis_code,
        fields.topic,
        fields.block as block_label,
        fields.municipality as municipality_label,
        fields.place,
        fields.raised_on,
        fields.level as level_code,
        fields.agreed_on,
        fields.protocol_number,
        fields.protocol_on,
        fields.order_text,
        fields.body as body_label,
        fields.due_on,
        fields.done_on,
        fields.state as state_code,
        fields.removal_reason,
        fields.note
    from source
    cross join lateral jsonb_to_record(source.record) as fields (
        question text, basis text, topic text, block text, municipality text, place text,
        raised_on date, level text, agreed_on date, protocol_number text, protocol_on date, order_text text, body text,
        due_on date, done_on date, state text, removal_reason text, note text
    )
)

select * from renamed
