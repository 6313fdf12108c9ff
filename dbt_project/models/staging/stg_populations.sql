with source as (
    select distinct on (record_key) *
    from {{ source('populations', 'populations') }}
    order by record_key asc, raw_id desc
),

renamed as (
    select
        {{ record_key_columns() }},
        -- the population
        fields.municipality,
        fields.oktmo,
        fields.year::int as population_year,
        fields.population::int as population
    from source
    cross join lateral jsonb_to_record(source.record) as fields (
        municipality text, oktmo text, year numeric, population numeric
    )
)

select * from renamed
