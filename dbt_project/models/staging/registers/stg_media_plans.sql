with source as (
    select distinct on (record_key) *
    from {{ source('media_plans', 'media_plans') }}
    order by record_key asc, raw_id desc
),

renamed as (
    select
        {{ record_key_columns() }},
        -- the item of the plan
        fields.title,
        fields.kind as kind_code,
        fields.outlet,
        fields.audience,
        fields.block as block_label,
        fields.municipality as municipality_label,
        fields.body as body_label,
        fields.responsible_key,
        fields.agreed_on,
        fields.planned_on,
        fields.state as state_code,
        fields.held_on,
        fields.reach::int as reach,
        fields.url,
        fields.note
    from source
    cross join lateral jsonb_to_record(source.record) as fields (
        title text, kind text, outlet text, audience text, block text, municipality text,
        body text, responsible_key text, agreed_on date, planned_on date, state text,
        held_on date, reach numeric, url text, note text
    )
)

select * from renamed
