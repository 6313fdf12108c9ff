{#- Sums that are kept (docs/decisions.md, "Sums are made anew where a case was or is"). A cell is a
    block of a region in a period, mostly a month, and where the sums tell municipalities apart one of
    these (`places`). `int_case_months` says in which cells a case stands, and in which it stood; a
    model with the strategy `by_cell` makes anew the rows of cells that a changed case touched, before
    or after. -#}

{#- As a hook before the model: the cells that it makes anew, and the cases that stand in them. `also`:
    queries of cells, with the columns region_code, block_code, the day with which the period begins and
    the municipality (`-` where there is none or cells are not of places).
    `period`: that day, of a row of int_case_months; where it follows from `received_date`, the model
    counts a case when it came and at no other time. `cases`: the model asks is_case_of_redone_cell.
    `told_by`: what says in which cells a case stands and stood; `having`: a condition on it without which
    a row tells nothing of these sums. A model whose cells have few rows, of a large table, says so
    (`is_looked_up`): they are found in an index. -#}
{% macro collect_cells(
    also=none, period='month_date', cases=true, places=false, told_by='int_case_months', having=none
) -%}
    {%- set place = "place" if places else "'-'::text" -%}
    {%- if execute -%}
    select set_config('tsur.fingerprint', {{ fingerprint() }}, true)
    {%- if is_by_change() %};
    create temporary table {{ to_redo() }} on commit drop as
    select
        region_code,
        block_code,
        {{ period }} as period_start,
        {{ place }} as place
    from {{ ref(told_by) }}
    where
        found_at > {{ seen_at() }}
        and {{ having or period ~ ' is not null' }}
    {%- if also %}
    union
    {{ also }}
    {%- else %}
    group by 1, 2, 3, 4
    {%- endif %};
    analyze {{ to_redo() }};
    {%- if cases %}
    create temporary table cases_of_{{ to_redo() }} on commit drop as
    select distinct months.case_id
    from (
        select
            case_id,
            region_code,
            block_code,
            {%- if places %}
            place,
            {%- endif %}
            {{ period }} as period_start
        from {{ ref(told_by) }}
        where is_current{% if having %} and {{ having }}{% endif %}
    ) as months
    inner join {{ to_redo() }} as redo
        on
            months.region_code = redo.region_code
            and months.block_code = redo.block_code
            and months.period_start = redo.period_start
            {%- if places %}
            and months.place = redo.place
            {%- endif %};
    analyze cases_of_{{ to_redo() }};
    {%- endif %}
    {{ join_by_index() if is_looked_up() else join_by_hash() }}
    {%- endif -%}
    {%- endif -%}
{%- endmacro %}

{#- Periods of sums over cases by when they came. -#}
{% macro week_of_receipt() -%}date_trunc('week', received_date::timestamp)::date{%- endmacro %}

{% macro month_of_receipt() -%}date_trunc('month', received_date::timestamp)::date{%- endmacro %}

{% macro is_looked_up() -%}
    {{ return(execute and config.get('meta', {}).get('is_looked_up', false)) }}
{%- endmacro %}

{#- A condition: the row belongs to a cell that is made anew; always true where all are. Where it is looked
    up in an index, the period is never null, and cells are not of places. -#}
{% macro is_of_redone_cell(
    region='region_code', block='block_code', period='month_date', place=none
) -%}
    {{- comes_after('int_case_months') -}}
    {%- if is_by_change() and is_looked_up() -%}
    ({{ region }}, {{ block }}, {{ period }}) in (
        select redo.region_code, redo.block_code, redo.period_start
        from {{ to_redo() }} as redo
    )
    {%- elif is_by_change() -%}
    {%- set place = "coalesce(" ~ place ~ ", '-')" if place else "'-'" %}
    ({{ region }}, {{ block }}, coalesce({{ period }}, '-infinity'), {{ place }}) in (
        select redo.region_code, redo.block_code, redo.period_start, redo.place
        from {{ to_redo() }} as redo
    )
    {%- else -%}
    true
    {%- endif -%}
{%- endmacro %}

{#- A condition: the case stands in a cell that is made anew. It spares the steps before the sums: cells
    are so small that looking their cases up in an index beats reading a table. -#}
{% macro is_case_of_redone_cell(case_id='case_id') -%}
    {{- comes_after('int_case_months') -}}
    {%- if is_by_change() -%}
    {{ case_id }} = any(array(select redo.case_id from cases_of_{{ to_redo() }} as redo))
    {%- else -%}
    true
    {%- endif -%}
{%- endmacro %}

{#- A row of `by_cell` tells its cell by region_code, block_code and its `unique_key`: the column of the
    period, and that of the municipality where cells are of places. -#}
{% macro get_incremental_by_cell_sql(arg_dict) -%}
    {%- set key = arg_dict['unique_key'] -%}
    {%- set key = [key] if key is string else key -%}
    delete from {{ arg_dict['target_relation'] }}
    where {{ is_of_redone_cell(period=key[0], place=key[1] if key | length > 1 else none) }};
    {{ get_insert_into_sql(arg_dict['target_relation'], arg_dict['temp_relation'], arg_dict['dest_columns']) }}
{%- endmacro %}

{#- Cells of cases whose first answer has come of an age since the build before: only then is it told
    what became of it. By the month of the answer and the place. -#}
{% macro cells_of_aged_answers(ages) -%}
    select
        filings.region_code,
        filings.block_code,
        date_trunc('month', filings.first_answered_date::timestamp)::date as month_date,
        coalesce(filings.municipality_code, '-') as place
    from {{ clock() }} as clock
    cross join unnest(array['{{ ages | join("', '") }}']::interval[]) as ages (age)
    inner join {{ ref('int_case_filings') }} as filings
        on
            clock.region_code = filings.region_code
            and clock.as_of - ages.age >= filings.first_answered_at
            and filings.first_answered_at > {{ moment_before('clock.region_code') }} - ages.age
{%- endmacro %}

{#- The report's moment of the build before, in a model that remembers it (`by_moment`). -#}
{% macro moment_before(region) -%}
    coalesce((
        select (states.as_of ->> {{ region }})::timestamptz
        from audit.model_states as states
        where states.model = '{{ this.identifier }}'
    ), '-infinity')
{%- endmacro %}

{#- What repeats say of a case, as one value: by which case it is repeated, whose copy it is, how many
    copies it has. It follows from other cases than this one. `cases`: a query of the cases asked for;
    without it, those that are made anew. -#}
{% macro recurrence_keys(cases=none) -%}
    {%- if cases is none and is_by_change() -%}
        {%- set cases = 'select redo.case_id from ' ~ to_redo() ~ ' as redo' -%}
    {%- endif -%}
    select
        case_id,
        md5(string_agg(told, '|' order by told)) as recurrence_key
    from (
        select
            repeats_case_id as case_id,
            concat_ws(' ', 'repeat', case_id, evidence, repeated_at, prior_replies) as told
        from {{ ref('int_repeat_cases') }}
        where is_current {%- if cases %} and repeats_case_id = any(array({{ cases }})) {%- endif %}
        union all
        select
            case_id,
            'copy' as told
        from {{ ref('int_repeated_texts') }}
        where is_current {%- if cases %} and case_id = any(array({{ cases }})) {%- endif %}
        union all
        select
            duplicate_of_case_id as case_id,
            'copies ' || count(*) as told
        from {{ ref('int_repeated_texts') }}
        where is_current {%- if cases %} and duplicate_of_case_id = any(array({{ cases }})) {%- endif %}
        group by duplicate_of_case_id
    ) as found
    group by case_id
{%- endmacro %}

{#- As a hook before int_case_months: cases of which repeats say something else now. -#}
{% macro note_moved_recurrences() -%}
    {%- if execute and is_by_change() -%}
    {%- set found -%}
        select repeats_case_id from {{ ref('int_repeat_cases') }}
        where found_at > {{ seen_at() }}
        union
        select unnest(array[case_id, duplicate_of_case_id]) from {{ ref('int_repeated_texts') }}
        where found_at > {{ seen_at() }}
    {%- endset -%}
    {%- set moved -%}
        select coalesce(stored.case_id, recurrences.case_id) as case_id
        from (
            select distinct
                case_id,
                recurrence_key
            from {{ this }}
            where
                is_current
                and recurrence_key is not null
                and case_id = any(array({{ found }}))
        ) as stored
        full join ({{ recurrence_keys(found) }}) as recurrences
            on stored.case_id = recurrences.case_id
        where stored.recurrence_key is distinct from recurrences.recurrence_key
    {%- endset -%}
    {{ note_cases(moved) }}
    {%- endif -%}
{%- endmacro %}
