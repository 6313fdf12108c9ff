with source as (
    select distinct on (record_key) *
    from {{ source('vk', 'vk_posts') }}
    order by record_key asc, raw_id desc
),

renamed as (
    select
        {{ case_columns() }}
    from source
    cross join lateral jsonb_to_record(source.record) as fields (
        {{ case_fields() }}
    )
)

select * from renamed
