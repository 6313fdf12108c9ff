with source as (
    select distinct on (record_key) *
    from {{ source('pos', 'pos_cards') }}
    order by record_key asc, raw_id desc
),

renamed as (
    select
        {{ record_key_columns() }},
        -- content
        fields.text as message_text,
        fields.reply_text,
        -- what stands in for a text that was erased
        fields.text_hash as erased_text_hash,
        fields.normalised_text_hash as erased_normalised_text_hash,
        fields.questions_raised::int as questions_raised,
        fields.questions_answered::int as questions_answered,
        fields.applicant_key,
        -- place
        fields.address,
        fields.municipality,
        fields.latitude,
        fields.longitude
    from source
    cross join lateral jsonb_to_record(source.record) as fields (
        text text, reply_text text, address text, municipality text, latitude numeric,
        longitude numeric, questions_raised numeric, questions_answered numeric,
        applicant_key text, text_hash text, normalised_text_hash text
    )
)

select * from renamed
