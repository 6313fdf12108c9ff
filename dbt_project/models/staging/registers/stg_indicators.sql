with source as (
    select distinct on (record_key) *
    from {{ source('indicators', 'indicators') }}
    order by record_key asc, raw_id desc
),

renamed as (
    select
        {{ record_key_columns() }},
        -- the declared value
        fields.indicator_code,
        fields.indicator_name,
        fields.kind as kind_code,
        fields.direction as direction_code,
        fields.body as body_label,
        fields.block as block_label,
        fields.period,
        fields.unit,
        fields.target_value,
        fields.declared_value,
        fields.evidence,
        fields.declared_by_key,
        fields.declared_on,
        fields.state as state_code,
        fields.verified_by_key,
        fields.verified_on,
        fields.approved_on,
        fields.rejection_reason,
        fields.note
    from source
    cross join lateral jsonb_to_record(source.record) as fields (
        indicator_code text, indicator_name text, kind text, direction text, body text,
        block text, period text, unit text, target_value numeric, declared_value numeric,
        evidence text, declared_by_key text, declared_on date, state text, verified_by_key text,
        verified_on date, approved_on date, rejection_reason text, note text
    )
)

select * from renamed
