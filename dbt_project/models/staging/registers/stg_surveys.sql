with source as (
    select distinct on (record_key) *
    from {{ source('surveys', 'surveys') }}
    order by record_key asc, raw_id desc
),

renamed as (
    select
        {{ record_key_columns() }},
        -- the answer of a survey
        fields.title,
        fields.method as method_code,
        fields.block as block_label,
        fields.municipality as municipality_label,
        fields.body as body_label,
        fields.agreed_on,
        fields.started_on,
        fields.ended_on,
        fields.respondents::int as respondents,
        fields.question,
        fields.answer,
        fields.answers::int as answers,
        fields.is_satisfied,
        fields.note
    from source
    cross join lateral jsonb_to_record(source.record) as fields (
        title text, method text, block text, municipality text, body text, agreed_on date,
        started_on date, ended_on date, respondents numeric, question text, answer text,
        answers numeric, is_satisfied boolean, note text
    )
)

select * from renamed
