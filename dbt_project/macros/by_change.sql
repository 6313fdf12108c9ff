{#- Builds by changes (docs/decisions.md, "A build takes what has changed"). A model with the strategy
    `by_change` keeps its rows and makes anew those whose keys stand in `to_redo()`. The model
    `int_case_changes` (strategy `change_log`) says which these are. `audit.model_states` says what each
    has taken in. -#}

{% macro is_built_by_change() -%}
    {{ return(
        config.get('materialized') == 'incremental'
        and config.get('incremental_strategy') in ('by_change', 'by_cell', 'change_log', 'in_place')
    ) }}
{%- endmacro %}

{#- Whether this build makes only some rows anew; in models in place of `is_incremental`, which would
    have every unit test say what it is. -#}
{% macro is_by_change() -%}
    {#- A unit test has no table of its own. -#}
    {{ return(this is not none and is_incremental()) }}
{%- endmacro %}

{#- As a hook before a model: how many rows a step of it has, PostgreSQL guesses, and mostly far too few.
    A nested loop over two such steps, or a merge by the first of their keys, takes minutes where a hash
    takes a second. For this transaction. -#}
{% macro plan_for_whole_tables() -%}
    {%- set is_whole = config.get('incremental_strategy') == 'in_place' or not is_by_change() -%}
    {%- if execute and model.config.materialized != 'view' and is_whole -%}
    {{ join_by_hash() }}
    {%- endif -%}
{%- endmacro %}

{#- Keys of what a step named already are looked up in an index; always true where all is read. -#}
{% macro is_of_step(column, step, key) -%}
    {%- if is_by_change() -%}
    {{ column }} = any(array(select {{ step }}.{{ key }} from {{ step }}))
    {%- else -%}
    true
    {%- endif -%}
{%- endmacro %}

{% macro join_by_hash() -%}
    set local enable_nestloop = off;
    set local enable_mergejoin = off
{%- endmacro %}

{#- As `join_by_hash`, where a few keys are looked up in a large table, and nothing else is joined. -#}
{% macro join_by_index() -%}
    set local enable_hashjoin = off;
    set local enable_mergejoin = off
{%- endmacro %}

{#- At the end of a lateral query: it stays one, and so asks an index for each row outside, where the
    planner expects far more to be found than there is. -#}
{% macro looked_up() -%}offset 0{%- endmacro %}

{#- As a hook after a model: of a table that was just made the planner knows nothing. What the models
    behind it ask is joined by hash, so a small sample will do; autovacuum takes its own within minutes. -#}
{% macro analyze_new_table() -%}
    {%- if model.config.materialized != 'view' and not is_by_change() -%}
    set local default_statistics_target = 20;
    analyze {{ this }}
    {%- endif -%}
{%- endmacro %}

{#- dbt asks this before it builds. A model that is built by changes is built as a whole where nobody can
    say what has changed since: its table or its code is another one, a seed or the register of bodies
    is, the log begins later, the report's moment went back. dbt asks several times a model; the first
    answer stays, also where the model's own state has been written since. -#}
{% macro should_full_refresh() -%}
    {%- set asked = config.get('full_refresh') -%}
    {%- if asked is none -%}{%- set asked = flags.FULL_REFRESH -%}{%- endif -%}
    {%- if asked or not execute or not is_built_by_change() -%}
        {{ return(asked) }}
    {%- endif -%}
    {%- set answer = load_result('should_full_refresh') -%}
    {%- if answer is none -%}
    {%- call statement('should_full_refresh', fetch_result=true, auto_begin=false) -%}
        select count(*)
        from audit.model_states as own
        where
            own.model = '{{ this.identifier }}'
            and own.relation = to_regclass('{{ this }}')
            and own.fingerprint = {{ fingerprint() }}
            {%- if config.get('incremental_strategy') == 'change_log' %}
            and own.known ? 'withdrawn_loads'
            {%- for name in ['int_case_records', 'int_case_cards', 'int_case_history'] %}
            and to_regclass('{{ as_built(name) }}') is not null
            -- One that was built as a whole since tells no more whose a record was that is gone.
            and not exists (
                select from audit.model_states as built
                where built.model = '{{ name }}' and built.rebuilt_at > own.built_at
            )
            {%- endfor %}
            {%- elif config.get('incremental_strategy') in ('by_change', 'by_cell') %}
            and exists (select from audit.model_states where model = 'int_case_changes')
            and not exists (
                select from audit.model_states as earlier
                where
                    earlier.model in ({{ models_before() }})
                    and earlier.rebuilt_at > own.built_at
            )
            and own.seen_at > {{ start_of_run() }} - interval '{{ log_days() }} days'
            {%- endif %}
            {%- if config.get('meta', {}).get('by_moment') %}
            and not exists (
                select from {{ clock() }} as clock
                where clock.as_of < (own.as_of ->> clock.region_code)::timestamptz
            )
            {%- endif %}
    {%- endcall -%}
    {%- set answer = load_result('should_full_refresh') -%}
    {%- endif -%}
    {#- dbt forgets a result when it is loaded. -#}
    {%- do store_result('should_full_refresh', response=answer.response, agate_table=answer.table) -%}
    {{ return(answer.table.rows[0][0] == 0) }}
{%- endmacro %}

{% macro start_of_run() -%}'{{ run_started_at }}'::timestamptz{%- endmacro %}

{#- By what changes are told from those found before: the start of the run, and later than the moment of
    the log before also where the clock went back. One moment a run, the log's. -#}
{% macro moment_of_run(is_log=false) -%}
    greatest({{ start_of_run() }}, (
        select
            seen_at
            {%- if is_log %} + interval '1 microsecond'{% endif %}
        from audit.model_states
        where model = 'int_case_changes'
    ))
{%- endmacro %}

{#- How long the log keeps what had changed. -#}
{% macro log_days() -%}60{%- endmacro %}

{% macro clock() -%}
    intermediate.int_region_clock
{%- endmacro %}

{#- Of all that rows follow from besides the records of cases, as an SQL expression. The log's: the code
    and the seeds as dbt has read them, and the register of bodies when the run began. The others follow
    the log, so that what was read before and after the enrichment is told by one moment. -#}
{% macro fingerprint() -%}
    {%- if config.get('incremental_strategy') == 'in_place' -%}
        '{{ model.checksum.checksum }}'
    {%- elif config.get('incremental_strategy') == 'change_log' -%}
        {%- set parts = [
            env_var('TSUR_DBT_MACROS', ''), var('calendar_first_date'), var('calendar_last_date'),
            var('epidemic_days_are_working') | string
        ] -%}
        {%- for unique_id in graph.nodes if unique_id.split('.')[0] in ('model', 'seed') -%}
            {%- do parts.append(unique_id ~ ' ' ~ graph.nodes[unique_id].checksum.checksum) -%}
        {%- endfor -%}
        '{{ local_md5(parts | sort | join("|")) }} ' || coalesce((
            select builds.known ->> 'bodies' from audit.builds
            where builds.invocation_id = '{{ invocation_id }}'
        ), '')
    {%- else -%}
        coalesce((
            select log.fingerprint from audit.model_states as log
            where log.model = 'int_case_changes'
        ), '')
        || ' {{ local_md5(model.checksum.checksum ~ tojson(model.columns) ~ tojson(model.constraints)) }}'
        {%- if config.get('meta', {}).get('by_enrichment') %}
        || (
            select coalesce(' ' || string_agg(model_version, ' ' order by model_version), '')
            from nlp.models where is_current
        )
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}

{#- Up to when the model has taken in what was found. -#}
{% macro seen_at() -%}
    (select states.seen_at from audit.model_states as states where states.model = '{{ this.identifier }}')
{%- endmacro %}

{#- As a hook before the model: the keys whose rows it makes anew, and what it follows from, taken before
    anything is read. Does nothing where the model is built as a whole. `told_by`: the model whose rows
    say what has changed, and when it was found; without one `also` tells all. -#}
{% macro collect_redo(key='case_id', name=none, also=none, told_by='int_case_changes') -%}
    {%- if execute -%}
    select set_config('tsur.fingerprint', {{ fingerprint() }}, true)
    {%- if is_by_change() %};
    create temporary table {{ to_redo() }} on commit drop as
    {%- if told_by %}
    select distinct {{ key }}{% if name %} as {{ name }}{% endif %}
    from {{ ref(told_by) }}
    where
        {{ key }} is not null
        and found_at > {{ seen_at() }}
    {%- if also %}
    union
    {%- endif %}
    {%- endif %}
    {{ also or '' }};
    analyze {{ to_redo() }};
    {{ join_by_hash() }}
    {%- endif -%}
    {%- endif -%}
{%- endmacro %}

{#- As a hook before the log: what it follows from, and the records that an erasure changed. -#}
{% macro take_redacted_records() -%}
    {%- if execute -%}
    select set_config('tsur.fingerprint', {{ fingerprint() }}, true);
    update ops.redacted_records set is_taken = true
    {%- endif -%}
{%- endmacro %}

{#- As a hook after it: they are in the log, and nothing else keeps them. -#}
{% macro forget_redacted_records() -%}
    {%- if execute -%}delete from ops.redacted_records where is_taken{%- endif -%}
{%- endmacro %}

{#- What waits past its term is measured up to the report's moment, and that has moved. -#}
{% macro still_overdue() -%}
    select case_id from {{ this }} where is_current and deadline_status = 'overdue_open'
{%- endmacro %}

{#- Cases on which a rule of communication points because of another case or of a day that has come:
    threads of comments, replies that a model found alike, promises. Those that another case repeats
    are noted with their months, and those whose reply has become a template with the templates. -#}
{% macro flagged_by_others() -%}
    select case_id from {{ ref('int_crowded_comments') }}
    union
    select case_id from {{ this }} where rule_code in ('C3', 'E7')
    union
    select case_id from {{ ref('int_near_replies') }}
    union
    select case_id from {{ ref('int_case_signals') }} where promised_date is not null
{%- endmacro %}

{#- As a hook before the model: what stands in the rows that are made anew, for `moved_rows`. -#}
{% macro put_by(columns, key='case_id') -%}
    {%- if execute and is_by_change() -%}
    create temporary table {{ this.identifier }}_before on commit drop as
    select {{ columns }} from {{ this }} where {{ is_redone(key, key) }}
    {%- endif -%}
{%- endmacro %}

{#- A query: of the rows that were made anew those that were put by and are there no longer, and those
    that were not there before. -#}
{% macro moved_rows(columns, key='case_id') -%}
    {%- set before = this.identifier ~ '_before' -%}
    {%- set present -%}
        select {{ columns }} from {{ this }} where {{ is_redone(key, key) }}
    {%- endset -%}
    select * from (select * from {{ before }} except {{ present }}) as gone
    union all
    select * from ({{ present }} except select * from {{ before }}) as come
{%- endmacro %}

{#- As a hook after the model: the cases of skeletons that have become templates, or are none any longer. -#}
{% macro note_moved_templates() -%}
    {%- if execute and is_by_change() -%}
    {%- set moved -%}
        select skeletons.case_id
        from ({{ moved_rows('template_key', 'template_key') }}) as templates
        inner join {{ ref('kept_reply_skeletons') }} as skeletons
            on templates.template_key = skeletons.template_key
        where skeletons.is_current
    {%- endset -%}
    {{ note_cases(moved) }}
    {%- endif -%}
{%- endmacro %}

{#- As a hook after the model: cases in which rules point at something else now, for whatever reason. -#}
{% macro note_moved_flags() -%}
    {%- if execute and is_by_change() -%}
    {{ note_cases('select case_id from (' ~ moved_rows(told_by_flags()) ~ ') as flags') }}
    {%- endif -%}
{%- endmacro %}

{% macro told_by_flags() -%}
    case_id, rule_code, region_code, block_code, body_code, flagged_date, evidence, is_reviewed,
    is_confirmed
{%- endmacro %}

{#- The temporary table of the keys of this build. -#}
{% macro to_redo() -%}
    redo_{{ this.identifier }}
{%- endmacro %}

{#- A condition: the row belongs to what is made anew; always true where all is. An array, because
    PostgreSQL takes it into steps that group or keep the latest row of a key, and reads by the index.
    `by_hash`: the column has no index, or is none. -#}
{% macro is_redone(column, key='case_id', by_hash=false) -%}
    {{- comes_after('int_case_changes') -}}
    {%- if is_by_change() and by_hash -%}
    {{ column }} in (select redo.{{ key }} from {{ to_redo() }} as redo)
    {%- elif is_by_change() -%}
    {{ column }} = any(array(select redo.{{ key }} from {{ to_redo() }} as redo))
    {%- else -%}
    true
    {%- endif -%}
{%- endmacro %}

{#- In a model: it is built after another one that it does not read, but that notes cases for it. Unit
    tests need not give what is only named at parsing time. -#}
{% macro comes_after(name) -%}
    {%- if not execute -%}{%- do ref(name) -%}{%- endif -%}
{%- endmacro %}

{#- As a hook before the model: cases that have to be made anew for a reason that shows only here are
    added to the log, for this model and those behind it. `cases`: a query of case ids. -#}
{% macro note_cases(cases) -%}
    {%- if is_by_change() %}
    insert into {{ ref('int_case_changes') }} (case_id, found_at)
    select distinct case_id, {{ moment_of_run() }}
    from ({{ cases }}) as noted
    where case_id is not null
    {%- endif -%}
{%- endmacro %}

{#- Cases of which something lay ahead of the report's moment and does no longer: a term has ended, a
    fact has happened. -#}
{% macro note_passed_moments() -%}
    {%- if execute and is_by_change() -%}
    {%- set passed -%}
        select stored.case_id
        from {{ clock() }} as clock
        cross join lateral (
            select own.case_id
            from {{ this }} as own
            where own.region_code = clock.region_code and own.next_change_at <= clock.as_of
            {{ looked_up() }}
        ) as stored
    {%- endset -%}
    {{ note_cases(passed) }}
    {%- endif -%}
{%- endmacro %}

{#- Cases whose text has been read since: new ones mostly, that the build before found unread. -#}
{% macro note_enriched_texts() -%}
    {%- if execute and is_by_change() -%}
    {%- set read -%}
        select stored.case_id
        from {{ this }} as stored
        inner join {{ ref('int_case_records') }} as records on stored.case_id = records.case_id
        inner join nlp.enrichments as enrichments on records.text_hash = enrichments.text_hash
        inner join nlp.models as models
            on enrichments.model_version = models.model_version and models.is_current
        where stored.model_version is null
    {%- endset -%}
    {{ note_cases(read) }}
    {%- endif -%}
{%- endmacro %}

{#- Cases of whose text the enrichment was emptied: an erasure does so after it has changed the records,
    and a build may come between. -#}
{% macro note_forgotten_texts() -%}
    {%- if execute and is_by_change() -%}
    {%- set forgotten -%}
        select stored.case_id
        from nlp.enrichments as enrichments
        inner join nlp.models as models
            on enrichments.model_version = models.model_version and models.is_current
        inner join {{ ref('int_case_records') }} as records
            on enrichments.text_hash = records.text_hash
        inner join {{ this }} as stored on records.case_id = stored.case_id
        where enrichments.masked_text is null and stored.text_masked is not null
    {%- endset -%}
    {{ note_cases(forgotten) }}
    {%- endif -%}
{%- endmacro %}

{#- Cases of whose text or reply something beyond the block is known now; it is told once. -#}
{% macro note_told_signals() -%}
    {%- if execute and is_by_change() -%}
    {%- set told -%}
        {%- for kind in ['text', 'reply'] %}
        select stored.case_id
        from {{ this }} as stored
        inner join {{ ref('int_case_records') }} as records on stored.case_id = records.case_id
        inner join nlp.{{ kind }}_signals as signals
            on records.{{ kind }}_hash = signals.{{ kind }}_hash
        inner join nlp.models as models
            on signals.model_version = models.model_version and models.is_current
        where stored.is_{{ kind }}_signalled is false
        {%- if not loop.last %}
        union all
        {%- endif %}
        {%- endfor %}
    {%- endset -%}
    {{ note_cases(told) }}
    {%- endif -%}
{%- endmacro %}

{#- How a case shows its topic, as the index on it has it, and what the catalogue says. -#}
{% macro topic_names() -%}
    {{ return({
        "coalesce(topic_title, '')": "coalesce(topic_name, '')",
        "coalesce(topic_group, '')": "coalesce(topic_group, '')",
    }) }}
{%- endmacro %}

{#- Cases that show names of a register which are others now: what no register knows goes by the
    spelling that is met most often. `names`: what the model shows, as its index has it, and what the
    register says of the same key. Two ranges, because the index finds ranges. -#}
{% macro note_renamed(register, key, names) -%}
    {%- if execute and is_by_change() -%}
    {%- set renamed -%}
        {%- for other in ['<', '>'] %}
        select stored.case_id
        from (
            select
                {{ key }} as register_key
                {%- for told in names.values() %},
                {{ told }} as told_{{ loop.index }}
                {%- endfor %}
            from {{ ref(register) }}
        ) as register
        cross join lateral (
            select case_id
            from {{ this }}
            where
                {{ key }} = register.register_key
                and ({{ names | join(', ') }}) {{ other }} (
                    {%- for told in names -%}
                        register.told_{{ loop.index }}{{ ', ' if not loop.last }}
                    {%- endfor -%}
                )
            {{ looked_up() }}
        ) as stored
        {%- if not loop.last %}
        union all
        {%- endif %}
        {%- endfor %}
    {%- endset -%}
    {{ note_cases(renamed) }}
    {%- endif -%}
{%- endmacro %}

{#- What operators decided about a case, as one value: another one means that something was decided. -#}
{% macro corrections_key() -%}
    md5(string_agg(
        concat_ws(
            '|', field_code, new_value, block_code, municipality_code, extract(epoch from decided_at)
        ),
        '|' order by field_code
    ))
{%- endmacro %}

{% macro note_corrected_cases() -%}
    {%- if execute and is_by_change() -%}
    {%- set decided -%}
        select coalesce(stored.case_id, decided.case_id) as case_id
        from (select * from {{ this }} where corrections_key is not null) as stored
        full join (
            select case_id, {{ corrections_key() }} as corrections_key
            from {{ ref('int_case_corrections') }}
            group by case_id
        ) as decided
            on stored.case_id = decided.case_id
        where stored.corrections_key is distinct from decided.corrections_key
    {%- endset -%}
    {{ note_cases(decided) }}
    {%- endif -%}
{%- endmacro %}

{#- Cases of which another one may say now that they repeat it, or no longer: the other one has changed.
    Which repeated it before their own rows tell. -#}
{% macro touched_links() -%}
    (
    with changed as materialized (
        select distinct case_id from {{ ref('int_case_changes') }}
        where case_id is not null and found_at > {{ seen_at() }}
    ),

    originals as materialized (
        select * from {{ ref('int_case_records') }}
        where case_id = any(array(select changed.case_id from changed))
    )

    select case_id from {{ this }}
    where original_case_id = any(array(select changed.case_id from changed))
    union
    select case_id from {{ ref('int_case_records') }}
    where normalised_text_hash = any(array(select originals.normalised_text_hash from originals))
    union
    select case_id from {{ ref('int_case_records') }}
    where external_number = any(array(
        select originals.native_id from originals
        where originals.source_code = 'pos'
    ))
    )
{%- endmacro %}

{#- Cases that have become duplicates, ceased to be or repeat another case now, and the cases that they
    repeat, before and now. -#}
{% macro note_moved_duplicates() -%}
    {%- if execute and is_by_change() -%}
    {%- set moved -%}
        select unnest(array[
            ledger.record_key, ledger.duplicate_of_case_id,
            duplicates.case_id, duplicates.duplicate_of_case_id
        ]) as case_id
        from (select * from {{ this }} where duplicate_of_case_id is not null) as ledger
        full join {{ ref('int_case_duplicates') }} as duplicates
            on ledger.record_key = duplicates.case_id
        where
            (ledger.duplicate_of_case_id, ledger.duplicate_evidence)
            is distinct from (duplicates.duplicate_of_case_id, duplicates.evidence)
    {%- endset -%}
    {{ note_cases(moved) }}
    {%- endif -%}
{%- endmacro %}

{#- `keeps_before`: a row that is replaced stays beside, as what the case was. `keeps_equal`: its columns
    are all that is read of the case, so that one which comes out as it was is no change. -#}
{% macro get_incremental_by_change_sql(arg_dict) -%}
    {%- set key = arg_dict['unique_key'] -%}
    {%- set target, temp = arg_dict['target_relation'], arg_dict['temp_relation'] -%}
    {%- set meta = config.get('meta', {}) -%}
    {%- set told = arg_dict['dest_columns'] | map(attribute='quoted')
        | reject('in', ['"found_at"', '"is_current"']) | list -%}
    {%- if meta.get('keeps_before') -%}
    update {{ target }} as before
    set is_current = false, found_at = {{ moment_of_run() }}
    where
        before.is_current
        and before.{{ key }} = any(array(select redo.{{ key }} from {{ to_redo() }} as redo))
        {%- if meta.get('keeps_equal') %}
        and not exists (
            select from {{ temp }} as present
            where present.{{ key }} = before.{{ key }} and {{ is_equal('present', 'before', told) }}
        );
    delete from {{ temp }} as present
    using {{ target }} as stays
    where
        stays.is_current
        and stays.{{ key }} = any(array(select redo.{{ key }} from {{ to_redo() }} as redo))
        and stays.{{ key }} = present.{{ key }}
        and {{ is_equal('present', 'stays', told) }}
        {%- endif %};
    {%- else -%}
    delete from {{ target }}
    where {{ key }} = any(array(select redo.{{ key }} from {{ to_redo() }} as redo));
    {%- endif %}
    {{ get_insert_into_sql(target, temp, arg_dict['dest_columns']) }}
{%- endmacro %}

{% macro is_equal(one, other, columns) -%}
    ({{ one }}.{{ columns | join(', ' ~ one ~ '.') }})
    is not distinct from ({{ other }}.{{ columns | join(', ' ~ other ~ '.') }})
{%- endmacro %}

{% macro get_incremental_change_log_sql(arg_dict) -%}
    delete from {{ arg_dict['target_relation'] }}
    where found_at < {{ start_of_run() }} - interval '{{ log_days() }} days';
    {{ get_insert_into_sql(arg_dict['target_relation'], arg_dict['temp_relation'], arg_dict['dest_columns']) }}
{%- endmacro %}

{#- Small tables that views stand on, made as a whole each time: their rows are replaced, the table stays,
    and so do the views. A new table in its place would take the marts away until the build comes to
    them, and a build of one mart would take all others away. -#}
{% macro get_incremental_in_place_sql(arg_dict) -%}
    delete from {{ arg_dict['target_relation'] }};
    {{ get_insert_into_sql(arg_dict['target_relation'], arg_dict['temp_relation'], arg_dict['dest_columns']) }}
{%- endmacro %}

{#- As a hook after the model: what it has taken in. No more than those before it have: what failed, or
    was left out of a build by hand, is made up for together with what stands behind it. Of the tables
    between models that are built by changes the same is kept. -#}
{% macro remember_state() -%}
    {%- set is_log = config.get('incremental_strategy') == 'change_log' -%}
    {%- set is_between = model.config.materialized == 'table' and model.fqn[1] == 'intermediate' -%}
    {%- if execute and (is_built_by_change() or is_between) -%}
    insert into audit.model_states as states
        (model, relation, seen_at, built_at, rebuilt_at, fingerprint, as_of, known)
    select
        '{{ this.identifier }}',
        '{{ this }}'::regclass,
        least({{ moment_of_run(is_log) }}, (
            select min(earlier.seen_at) from audit.model_states as earlier
            where earlier.model in ({{ models_before() }}) and earlier.model <> 'int_case_changes'
        )),
        {{ moment_of_run(is_log) }},
        {% if is_between -%}
        -- It is so each time, and follows from what it reads.
        '-infinity',
        '',
        {%- elif config.get('incremental_strategy') == 'in_place' -%}
        {{ moment_of_run() }},
        {{ fingerprint() }},
        {%- else -%}
        {{ moment_of_run(is_log) }},
        current_setting('tsur.fingerprint'),
        {%- endif %}
        {% if config.get('meta', {}).get('by_moment') -%}
        coalesce((select jsonb_object_agg(region_code, as_of) from {{ clock() }}), '{}'),
        {%- else -%}
        '{}',
        {%- endif %}
        {% if is_log -%}
        (select known from audit.builds where invocation_id = '{{ invocation_id }}')
        {%- else -%}
        null
        {%- endif %}
    on conflict (model) do update set
        relation = excluded.relation,
        seen_at = excluded.seen_at,
        built_at = excluded.built_at,
        rebuilt_at = case
            when states.relation = excluded.relation then states.rebuilt_at
            else excluded.rebuilt_at
        end,
        fingerprint = excluded.fingerprint,
        as_of = excluded.as_of,
        known = excluded.known
    {%- endif -%}
{%- endmacro %}

{#- The models built by changes, and the tables between them, that this one follows from: a query of
    their names. -#}
{% macro models_before() -%}
    select unnest(lineage.models_before)
    from audit.model_lineage as lineage
    where lineage.model = '{{ this.identifier }}'
{%- endmacro %}

{#- At the start of a run: what each model follows from. dbt makes a node of its graph anew whenever it
    is asked for one, so the graph is read once and the models ask the table. -#}
{% macro record_lineage() -%}
    {%- set parents, keeping = {}, [] -%}
    {%- for unique_id in graph.nodes if unique_id.startswith('model.') -%}
        {%- set node = graph.nodes[unique_id] -%}
        {%- do parents.update({node.name: node.depends_on.nodes | map('replace', 'model.tsur.', '') | list}) -%}
        {%- if
            (
                node.config.materialized == 'incremental'
                and node.config.incremental_strategy in ('by_change', 'by_cell', 'change_log')
            )
            or (node.config.materialized == 'table' and node.fqn[1] == 'intermediate')
        -%}
            {%- do keeping.append(node.name) -%}
        {%- endif -%}
    {%- endfor %}
delete from audit.model_lineage;
insert into audit.model_lineage (model, models_before)
with recursive edges as (
    select
        models.model,
        parents.parent
    from jsonb_each('{{ tojson(parents, sort_keys=true) }}') as models (model, parents)
    cross join lateral jsonb_array_elements_text(models.parents) as parents (parent)
),

walked as (
    select * from edges
    union
    select
        walked.model,
        edges.parent
    from walked
    inner join edges on walked.parent = edges.model
)

select
    model,
    array_agg(parent order by parent)
from walked
where parent = any(array['{{ keeping | sort | join("', '") }}'])
group by model
{%- endmacro %}

{#- At the end of a run: what a row was before it changed goes as soon as every model that reads it has
    taken it in, so that of an erased case nothing stays there either. -#}
{% macro forget_what_was() -%}
    {%- if execute and flags.WHICH in ('build', 'run') and not flags.EMPTY -%}
    {%- set models = [] -%}
    {%- for unique_id in graph.nodes if unique_id.startswith('model.') -%}
        {%- do models.append(graph.nodes[unique_id]) -%}
    {%- endfor -%}
    {%- for node in models if node.config.get('meta', {}).get('keeps_before') -%}
        {%- set readers = [] -%}
        {%- for reader in models if node.unique_id in reader.depends_on.nodes -%}
            {%- if reader.config.get('materialized') == 'incremental' -%}
                {%- do readers.append("'" ~ reader.name ~ "'") -%}
            {%- endif -%}
        {%- endfor -%}
        {%- if run_query("select to_regclass('" ~ node.relation_name ~ "')").rows[0][0] %}
delete from {{ node.relation_name }}
where
    not is_current
    and found_at <= (
        select min(seen_at) from audit.model_states where model in ({{ readers | sort | join(', ') }})
    );
        {%- endif -%}
    {%- endfor -%}
    {%- endif -%}
{%- endmacro %}

{#- A table of an earlier build, without waiting for this one's. -#}
{% macro as_built(name) -%}
    intermediate.{{ name }}
{%- endmacro %}
