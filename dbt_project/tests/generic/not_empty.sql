{#- None of the columns is empty in any row: one query where `not_null` would be one a column. -#}
{% test not_empty(model, columns) %}
select {{ columns | join(', ') }}
from {{ model }}
where num_nulls({{ columns | join(', ') }}) > 0
{% endtest %}
