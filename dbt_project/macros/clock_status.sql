{#- What became of a term by the report's moment: kept, missed, missed and still open, open. Null due
    date: undefined. -#}
{% macro clock_status(due_at, done_at, as_of) -%}
    case
            when {{ due_at }} is null then 'undefined'
            when {{ done_at }} <= {{ as_of }} and {{ done_at }} <= {{ due_at }} then 'on_time'
            when {{ done_at }} <= {{ as_of }} then 'late'
            when {{ due_at }} < {{ as_of }} then 'overdue_open'
            else 'open'
        end
{%- endmacro %}
