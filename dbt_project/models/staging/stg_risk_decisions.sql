with source as (
    select distinct on (record_key) *
    from {{ source('risk_decisions', 'risk_decisions') }}
    order by record_key asc, raw_id desc
),

renamed as (
    select
        {{ record_key_columns() }},
        -- the decision
        fields.signal_key,
        fields.proposal,
        fields.decision,
        fields.decided_by_key,
        fields.decided_at,
        fields.note
    from source
    cross join lateral jsonb_to_record(source.record) as fields (
        signal_key text, proposal text, decision text, decided_by_key text,
        decided_at timestamptz, note text
    )
)

select * from renamed
