{#- A text for reading holds no e-mail address and no telephone number of Russia written in full. Only
    the plainest spellings: it tells that masking was skipped, and is no second masking. -#}
{% test has_no_contacts(model, column_name) %}
select 1 as failing_row
from {{ model }}
where
    {{ column_name }} ~* '[a-z0-9][a-z0-9._+-]*@[a-z0-9-]+[.](ru|com|net|org)(?![a-zа-яё0-9_.-])'
    or {{ column_name }} ~ '[+]7[ -]?[(]?[0-9]{3}[)]?[ -]?[0-9]{3}[ -]?[0-9]{2}[ -]?[0-9]{2}(?![0-9])'
{% endtest %}
