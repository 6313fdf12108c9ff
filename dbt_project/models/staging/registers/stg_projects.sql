with source as (
    select distinct on (record_key) *
    from {{ source('projects', 'projects') }}
    order by record_key asc, raw_id desc
),

renamed as (
    select
        {{ record_key_columns() }},
        -- the project
        fields.title,
        fields.block as block_label,
        fields.body as body_label,
        fields.responsible_key,
        fields.state as state_code,
        fields.passport_agreed_on,
        fields.passport_approved_on,
        fields.started_on,
        fields.due_on,
        fields.completed_on,
        fields.progress_percent,
        fields.reported_on,
        fields.is_in_road_map,
        fields.programme,
        fields.note
    from source
    cross join lateral jsonb_to_record(source.record) as fields (
        title text, block text, body text, responsible_key text, state text,
        passport_agreed_on date, passport_approved_on date, started_on date, due_on date,
        completed_on date, progress_percent numeric, reported_on date, is_in_road_map boolean,
        programme text, note text
    )
)

select * from renamed
