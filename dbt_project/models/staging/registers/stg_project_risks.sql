with source as (
    select distinct on (record_key) *
    from {{ source('project_risks', 'project_risks') }}
    order by record_key asc, raw_id desc
),

renamed as (
    select
        {{ record_key_columns() }},
        -- the risk
        fields.project_code,
        fields.block as block_label,
        fields.risk,
        fields.probability as probability_code,
        fields.impact as impact_code,
        fields.mitigation,
        fields.responsible_key,
        fields.identified_on,
        fields.reviewed_on,
        fields.escalated_on,
        fields.decision,
        fields.state as state_code,
        fields.closed_on,
        fields.note
    from source
    cross join lateral jsonb_to_record(source.record) as fields (
        project_code text, block text, risk text, probability text, impact text, mitigation text,
        responsible_key text, identified_on date, reviewed_on date, escalated_on date,
        decision text, state text, closed_on date, note text
    )
)

select * from renamed
