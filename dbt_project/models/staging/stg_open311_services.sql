with source as (
    select distinct on (record_key) *
    from {{ source('open311', 'open311_services') }}
    order by record_key asc, raw_id desc
),

renamed as (
    select
        {{ record_key_columns() }},
        -- the service
        fields.service_code,
        fields.service_name,
        fields."group" as service_group
    from source
    cross join lateral jsonb_to_record(source.record) as fields (
        service_code text, service_name text, "group" text
    )
)

select * from renamed
