{#- A bound of Wilson's interval of a share of n (DOMAIN 5.3), between 0 and 1; `sign` is + for the upper
    one and - for the lower one. Null where n is 0. To ten digits: the bound of all or of none is 1 or 0,
    and arithmetic leaves it a hair short, so that the best would count as worse than its equals. -#}
{% macro wilson_bound(amount, n, z, sign) -%}
    case
        when {{ n }} > 0
            then
                round(
                    (
                        {{ amount }}::numeric / {{ n }}
                        + {{ z }} * {{ z }} / (2 * {{ n }})
                        {{ sign }} {{ z }} * sqrt(
                            {{ amount }}::numeric / {{ n }}
                            * (1 - {{ amount }}::numeric / {{ n }}) / {{ n }}
                            + {{ z }} * {{ z }} / (4 * {{ n }}::numeric * {{ n }})
                        )
                    ) / (1 + {{ z }} * {{ z }} / {{ n }}),
                    10
                )
    end
{%- endmacro %}
