{#- A text says something where it is given; null is allowed. -#}
{% test not_blank(model, column_name) %}
select {{ column_name }} as failing_value
from {{ model }}
where btrim({{ column_name }}) = ''
{% endtest %}
