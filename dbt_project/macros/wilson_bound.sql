{#- A bound of Wilson's interval of a share of n (DOMAIN 5.3), between 0 and 1; `sign` is + for the upper
    one and - for the lower one. Null where n is 0. -#}
{% macro wilson_bound(amount, n, z, sign) -%}
    least(
        greatest(
            (
                {{ amount }}::numeric / nullif({{ n }}, 0)
                + {{ z }} * {{ z }} / (2 * nullif({{ n }}, 0))
                {{ sign }} {{ z }} * sqrt(
                    {{ amount }}::numeric / nullif({{ n }}, 0)
                    * (1 - {{ amount }}::numeric / nullif({{ n }}, 0)) / nullif({{ n }}, 0)
                    + {{ z }} * {{ z }} / (4 * nullif({{ n }}, 0)::numeric * {{ n }})
                )
            ) / (1 + {{ z }} * {{ z }} / nullif({{ n }}, 0)),
            0
        ),
        1
    )
{%- endmacro %}
