{#- Words by which addresses tell the kind of a street, each with its one spelling. -#}
{% macro street_kinds() -%}
    {{ return({
        'ул': 'ул|улица',
        'пр-кт': 'пр-кт|пр-т|просп|проспект',
        'проезд': 'пр-д|проезд',
        'пер': 'пер|переулок',
        'ш': 'ш|шоссе',
        'пл': 'пл|площадь',
        'б-р': 'б-р|бул|бульвар',
        'наб': 'наб|набережная',
        'мкр': 'мкр|мкрн|мкр-н|микрорайон',
        'кв-л': 'кв-л|квартал',
        'туп': 'туп|тупик',
        'аллея': 'аллея',
        'тракт': 'тракт',
        'линия': 'линия',
    }) }}
{%- endmacro %}

{#- Any of these words, as an alternative of a regular expression. -#}
{% macro any_street_kind() -%}
    {{ street_kinds().values() | join('|') }}
{%- endmacro %}

{#- «улица Зелёная» and «зеленая ул.» are one street: its name and, in brackets, its kind where that
    is not «ул». «ул. Набережная» is a street, whatever its name says. -#}
{% macro street_key(part) -%}
    {%- set street = '^(' ~ street_kinds()['ул'] ~ ')[.]?[ ]+|[ ]+(' ~ street_kinds()['ул'] ~ ')[.]?$' -%}
    nullif(
        btrim(
            case
                when {{ part }} ~ '{{ street }}'
                    then regexp_replace({{ part }}, '{{ street }}', '')
                else
                    regexp_replace(
                        {{ part }},
                        '^({{ any_street_kind() }})[.]?[ ]+|[ ]+({{ any_street_kind() }})[.]?$',
                        ''
                    )
                    || case
                    {%- for kind, words in street_kinds().items() %}
                        when {{ part }} ~ '^({{ words }})[.]?[ ]' then ' ({{ kind }})'
                    {%- endfor %}
                    {%- for kind, words in street_kinds().items() %}
                        when {{ part }} ~ '[ ]({{ words }})[.]?$' then ' ({{ kind }})'
                    {%- endfor %}
                        else ''
                    end
            end
        ),
        ''
    )
{%- endmacro %}

{#- «д. 12 А, кв. 5», «дом 12а» and «12А» are one house: 12а; «5 корп. 2» is 5к2. -#}
{% macro house_key(part) -%}
    nullif(
        regexp_replace(
            regexp_replace(
                regexp_replace(
                    regexp_replace(
                        {{ part }},
                        '^(дом|д|зд|здание|влд|владение|уч)\.?\s*'
                        '|\s(кв|квартира|оф|офис|пом|подъезд)\.?\s*\d.*$',
                        '', 'g'
                    ),
                    '\s*(корпус|корп|к)\.?\s*(?=\d)', 'к', 'g'
                ),
                '\s*(строение|стр)\.?\s*(?=\d)', 'с', 'g'
            ),
            '[\s.]+', '', 'g'
        ),
        ''
    )
{%- endmacro %}

{#- Metres between two places some streets apart, on a plane that touches the earth between them. -#}
{% macro distance_m(first, second) -%}
    111320 * sqrt(
        power({{ first }}.latitude - {{ second }}.latitude, 2)
        + power(
            ({{ first }}.longitude - {{ second }}.longitude)
            * cos(radians(({{ first }}.latitude + {{ second }}.latitude)::float8 / 2))::numeric,
            2
        )
    )
{%- endmacro %}
