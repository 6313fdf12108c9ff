{#- Values lie within bounds; null is allowed. -#}
{% test between(model, column_name, lowest, highest) %}
select {{ column_name }} as failing_value
from {{ model }}
where {{ column_name }} < {{ lowest }} or {{ column_name }} > {{ highest }}
{% endtest %}
