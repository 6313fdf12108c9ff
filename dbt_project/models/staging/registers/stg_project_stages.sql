with source as (
    select distinct on (record_key) *
    from {{ source('project_stages', 'project_stages') }}
    order by record_key asc, raw_id desc
),

renamed as (
    select
        {{ record_key_columns() }},
        -- the stage
        fields.project_code,
        fields.block as block_label,
        fields.stage,
        fields.body as body_label,
        fields.responsible_key,
        fields.due_on,
        fields.state as state_code,
        fields.done_on,
        fields.note
    from source
    cross join lateral jsonb_to_record(source.record) as fields (
        project_code text, block text, stage text, body text, responsible_key text, due_on date,
        state text, done_on date, note text
    )
)

select * from renamed
