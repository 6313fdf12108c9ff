with source as (
    select distinct on (record_key) *
    from {{ source('official_pages', 'official_pages') }}
    order by record_key asc, raw_id desc
),

renamed as (
    select
        {{ record_key_columns() }},
        -- the page
        fields.body as body_label,
        fields.platform as platform_code,
        fields.title,
        fields.is_confirmed,
        fields.subscribers::int as subscribers,
        fields.opened_on,
        fields.closed_on,
        fields.checked_on,
        fields.responsible_key,
        fields.note
    from source
    cross join lateral jsonb_to_record(source.record) as fields (
        body text, platform text, title text, is_confirmed boolean, subscribers numeric,
        opened_on date, closed_on date, checked_on date, responsible_key text, note text
    )
)

select * from renamed
