{#- What every staged record carries besides its own fields. -#}
{% macro record_key_columns() -%}
    source.record_key,
        source.source_code,
        source.region_code,
        source.native_id,
        -- changes
        source.is_deleted,
        source.observed_at,
        source.source_changed_at,
        source.load_id
{%- endmacro %}

{#- The canonical fields of a case, typed, in the order of the contract. -#}
{% macro case_fields() -%}
    kind text, received_at timestamptz, received_has_time boolean, due_at timestamptz,
        due_has_time boolean, source_due_at timestamptz, closed_at timestamptz,
        closed_has_time boolean, is_closed boolean, status text, stage text, source_verdict text,
        topic text, category text, subcategory text, fact text, received_body text, body text,
        text text, reply_text text, channel text, address text, latitude numeric,
        longitude numeric, municipality text, regime text, is_59fz boolean,
        is_fast_track boolean, priority text, rating numeric, is_reopened boolean, external_number text,
        applicant_key text, author_key text, parent_native_id text, is_by_body boolean,
        is_deleted_at_source boolean, exclusion text, resolution text, url text, text_hash text, text_hash_unquoted text,
        normalised_text_hash text
{%- endmacro %}

{#- `message_text`: an expression, where a source writes its texts in a way of its own;
    `erased_text_hash`: the hash of it, where the text was erased. -#}
{% macro case_columns(message_text='fields.text', erased_text_hash='fields.text_hash') -%}
    {{ record_key_columns() }},
        coalesce(fields.is_deleted_at_source, false) as is_deleted_at_source,
        -- what it is
        fields.kind,
        fields.parent_native_id,
        fields.external_number,
        fields.channel,
        fields.regime,
        coalesce(fields.is_59fz, false) as is_59fz,
        coalesce(fields.is_fast_track, false) as is_fast_track,
        fields.priority as case_priority,
        coalesce(fields.is_by_body, false) as is_by_body,
        -- times
        fields.received_at,
        coalesce(fields.received_has_time, true) as received_has_time,
        fields.due_at,
        coalesce(fields.due_has_time, true) as due_has_time,
        fields.source_due_at,
        fields.closed_at,
        coalesce(fields.closed_has_time, true) as closed_has_time,
        -- state
        coalesce(fields.is_closed, false) as is_closed,
        coalesce(fields.is_reopened, false) as is_reopened,
        fields.status,
        fields.stage,
        fields.source_verdict,
        fields.exclusion as source_exclusion_code,
        fields.rating::int as rating,
        -- content
        fields.topic,
        fields.category,
        fields.subcategory,
        fields.fact,
        {{ message_text }} as message_text,
        fields.reply_text,
        fields.url,
        -- what stands in for a text that was erased
        {{ erased_text_hash }} as erased_text_hash,
        fields.normalised_text_hash as erased_normalised_text_hash,
        -- bodies and people
        fields.received_body,
        fields.body,
        fields.applicant_key,
        fields.author_key,
        -- place
        fields.address,
        fields.municipality,
        fields.latitude,
        fields.longitude,
        -- what the body says it did
        fields.resolution as resolution_label
{%- endmacro %}
