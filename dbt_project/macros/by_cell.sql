{#- Sums that are kept (docs/decisions.md, "Sums are made anew where a case was or is"). A cell is a
    block of a region in a month. `int_case_months` says in which cells a case stands, and in which it
    stood; a model with the strategy `by_cell` makes anew the rows of cells that a changed case touched,
    before or after. -#}

{#- As a hook before the model: the cells that it makes anew, and the cases that stand in them. `also`:
    queries of cells, with the columns region_code, block_code, month_date. -#}
{% macro collect_cells(also=none) -%}
    {%- if execute -%}
    select set_config('tsur.fingerprint', {{ fingerprint() }}, true)
    {%- if is_by_change() %};
    create temporary table {{ to_redo() }} on commit drop as
    select region_code, block_code, month_date
    from {{ ref('int_case_months') }}
    where
        found_at > (select seen_at from audit.model_states where model = '{{ this.identifier }}')
    {%- if also %}
    union
    {{ also }}
    {%- else %}
    group by region_code, block_code, month_date
    {%- endif %};
    analyze {{ to_redo() }};
    create temporary table cases_of_{{ to_redo() }} on commit drop as
    select distinct months.case_id
    from {{ ref('int_case_months') }} as months
    inner join {{ to_redo() }} as redo
        on
            months.region_code = redo.region_code
            and months.block_code = redo.block_code
            and months.month_date = redo.month_date
    where months.is_current;
    analyze cases_of_{{ to_redo() }};
    {{ join_by_hash() }}
    {%- endif -%}
    {%- endif -%}
{%- endmacro %}

{#- A condition: the row belongs to a cell that is made anew; always true where all are. -#}
{% macro is_of_redone_cell(region='region_code', block='block_code', month='month_date') -%}
    {#- At parsing time: the cells come first. -#}
    {%- if not execute -%}{%- do ref('int_case_months') -%}{%- endif -%}
    {%- if is_by_change() -%}
    ({{ region }}, {{ block }}, coalesce({{ month }}, '-infinity')) in (
        select region_code, block_code, month_date from {{ to_redo() }}
    )
    {%- else -%}
    true
    {%- endif -%}
{%- endmacro %}

{#- A condition: the case stands in a cell that is made anew. It spares the steps before the sums. -#}
{% macro is_case_of_redone_cell(case_id='case_id') -%}
    {%- if not execute -%}{%- do ref('int_case_months') -%}{%- endif -%}
    {%- if is_by_change() -%}
    {{ case_id }} in (select case_id from cases_of_{{ to_redo() }})
    {%- else -%}
    true
    {%- endif -%}
{%- endmacro %}

{#- A row of `by_cell` tells its cell by region_code, block_code and the month of its `unique_key`. -#}
{% macro get_incremental_by_cell_sql(arg_dict) -%}
    delete from {{ arg_dict['target_relation'] }}
    where {{ is_of_redone_cell(month=arg_dict['unique_key']) }};
    {{ get_insert_into_sql(arg_dict['target_relation'], arg_dict['temp_relation'], arg_dict['dest_columns']) }}
{%- endmacro %}

{#- As a hook before int_case_months: a case that is followed by a repeat now, or no longer. -#}
{% macro note_moved_repeats() -%}
    {%- if execute and is_by_change() -%}
    {%- set moved -%}
        select coalesce(stored.case_id, repeats.repeats_case_id) as case_id
        from (
            select distinct case_id from {{ this }}
            where is_current and is_repeated
        ) as stored
        full join {{ ref('int_repeat_cases') }} as repeats
            on stored.case_id = repeats.repeats_case_id
        where stored.case_id is null or repeats.repeats_case_id is null
    {%- endset -%}
    {{ note_cases(moved) }}
    {%- endif -%}
{%- endmacro %}
