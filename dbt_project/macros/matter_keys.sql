{#- What cases may have in common, as numbers that an index finds (int_case_filings). Whoever looks for
    cases of a number compares them; what recurs and mass problems are told apart by the number alone: of
    15 million different matters two have the same one with odds of 6 in a million. -#}

{% macro object_topic_key(region, topic, object) -%}
    hashtextextended(concat_ws('|', {{ region }}, {{ topic }}, {{ object }}), 0)
{%- endmacro %}

{#- A place has two cells of 138 m a side: 200 m reach no further than the eight places around it. -#}
{% macro place_topic_key(region, topic, cell_row, cell_column, row_step=0, column_step=0) -%}
    hashtextextended(
        concat_ws(
            '|', {{ region }}, {{ topic }}, {{ cell_row }} / 2 + {{ row_step }},
            {{ cell_column }} / 2 + {{ column_step }}
        ), 0
    )
{%- endmacro %}

{#- The keys of the places around cases, one row each. -#}
{% macro near_place_keys(cases) -%}
    select
        {{ cases }}.*,
        {{ place_topic_key(
            cases ~ '.region_code', cases ~ '.topic_code', cases ~ '.cell_row',
            cases ~ '.cell_column', 'row_steps.step', 'column_steps.step'
        ) }} as near_key
    from {{ cases }}
    cross join generate_series(-1, 1) as row_steps (step)
    cross join generate_series(-1, 1) as column_steps (step)
    where {{ cases }}.place_topic_key is not null
{%- endmacro %}

{#- Answered cases of which another one may say now that it repeats them, or no longer: the other one
    has changed, become a copy or ceased to be one, or a model has found its text alike to another. What
    it was before counts too. How many replies a person had had follows from all cases of the person. -#}
{% macro touched_repeats() -%}
    (
    with changed as materialized (
        select * from {{ ref('int_case_filings') }}
        where found_at > {{ seen_at() }}
        union all
        select * from {{ ref('int_case_filings') }}
        where
            is_current
            and case_id = any(array(
                select case_id from {{ ref('int_repeated_texts') }}
                where found_at > {{ seen_at() }}
            ))
        union all
        select * from {{ ref('int_case_filings') }}
        where
            is_current
            and case_id = any(array(
                select case_id from {{ ref('int_case_records') }}
                where text_hash = any(array(
                    select unnest(array[first_hash, second_hash]) from {{ ref('int_near_texts') }}
                    where found_at > {{ seen_at() }} - interval '{{ near_texts_look_back() }}'
                ))
            ))
    ),

    of_people as materialized (
        select case_id from {{ ref('int_case_filings') }}
        where is_current and applicant_key = any(array(select changed.applicant_key from changed))
    ),

    answered_of_houses as (
        select * from {{ ref('int_case_filings') }}
        where
            is_current
            and house_key is not null
            and object_topic_key = any(array(
                select changed.object_topic_key from changed
                where changed.house_key is not null
            ))
    ),

    near_changed as materialized (
        {{ near_place_keys('changed') }}
    ),

    answered_nearby as (
        select * from {{ ref('int_case_filings') }}
        where
            is_current
            and place_topic_key = any(array(select near_changed.near_key from near_changed))
    )

    select case_id from of_people
    union
    select repeats_case_id from {{ this }}
    where is_current and case_id = any(array(select of_people.case_id from of_people))
    union
    select answered.case_id
    from answered_of_houses as answered
    inner join changed
        on
            answered.object_topic_key = changed.object_topic_key
            and answered.is_public <> changed.is_public
            and answered.received_at < changed.received_at
            and answered.first_answered_at + interval '90 days' >= changed.received_at
    union
    select answered.case_id
    from answered_nearby as answered
    inner join near_changed
        on
            answered.place_topic_key = near_changed.near_key
            and answered.is_public <> near_changed.is_public
            and answered.received_at < near_changed.received_at
            and answered.first_answered_at + interval '90 days' >= near_changed.received_at
    )
{%- endmacro %}

{#- A pair bears the time at which the transaction that wrote it began: one that took longer than this
    would be missed. -#}
{% macro near_texts_look_back() -%}1 day{%- endmacro %}

{#- Of what recurs, the month of the build before: its 180 days ended with the report's moment. What has
    no row there gets none by the time alone, for cases only leave the 180 days. -#}
{% macro still_moving() -%}
    select stored.object_topic_key
    from {{ clock() }} as clock
    inner join {{ this }} as stored
        on
            clock.region_code = stored.region_code
            and date_trunc(
                'month', {{ moment_before('clock.region_code') }} at time zone clock.time_zone
            ) <= stored.month_date
    where clock.as_of > {{ moment_before('clock.region_code') }}
{%- endmacro %}
