with source as (
    select distinct on (record_key) *
    from {{ source('votes', 'votes') }}
    order by record_key asc, raw_id desc
),

renamed as (
    select
        {{ record_key_columns() }},
        -- the vote
        fields.title,
        fields.kind as kind_code,
        fields.topic,
        fields.block as block_label,
        fields.municipality as municipality_label,
        fields.place,
        fields.platform,
        fields.started_on,
        fields.ended_on,
        fields.participants::int as participants,
        fields.proposals::int as proposals,
        fields.leading_option,
        fields.leading_votes::int as leading_votes,
        fields.decision,
        fields.decision_state as decision_state_code,
        fields.decided_on,
        fields.body as body_label,
        fields.due_on,
        fields.implemented_on,
        fields.url,
        fields.note
    from source
    cross join lateral jsonb_to_record(source.record) as fields (
        title text, kind text, topic text, block text, municipality text, place text, platform text,
        started_on date, ended_on date, participants numeric, proposals numeric,
        leading_option text, leading_votes numeric, decision text, decision_state text,
        decided_on date, body text, due_on date, implemented_on date, url text, note text
    )
)

select * from renamed
