{#- A text has the shape of a regular expression; null is allowed. -#}
{% test matches(model, column_name, pattern) %}
select {{ column_name }} as failing_value
from {{ model }}
where {{ column_name }} !~ '{{ pattern }}'
{% endtest %}
