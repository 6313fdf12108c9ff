{#- The reply was checked in the period of a row of the rating, of its body. -#}
{% macro is_checked_in(rating) -%}
    checks.body_code = {{ rating }}.body_code
    and checks.checked_date >= {{ rating }}.period_start
    and checks.checked_date < {{ rating }}.period_start + case {{ rating }}.period_kind
        when 'month' then interval '1 month'
        else interval '3 months'
    end
{%- endmacro %}
