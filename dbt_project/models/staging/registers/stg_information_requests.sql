with source as (
    select distinct on (record_key) *
    from {{ source('information_requests', 'information_requests') }}
    order by record_key asc, raw_id desc
),

renamed as (
    select
        {{ record_key_columns() }},
        -- the request
        fields.requester as requester_code,
        fields.kind as kind_code,
        fields.subject,
        fields.received_on,
        fields.due_on,
        fields.body as body_label,
        fields.responsible_key,
        fields.answered_on,
        fields.answer_number,
        fields.note
    from source
    cross join lateral jsonb_to_record(source.record) as fields (
        requester text, kind text, subject text, received_on date, due_on date, body text,
        responsible_key text, answered_on date, answer_number text, note text
    )
)

select * from renamed
