{#- Words by which addresses tell the kind of a street, each with its one spelling. -#}
{% macro street_kind(word) -%}
    {%- set kinds = {
        'ул': ['ул', 'улица'],
        'пр-кт': ['пр-кт', 'пр-т', 'просп', 'проспект'],
        'проезд': ['пр-д', 'проезд'],
        'пер': ['пер', 'переулок'],
        'ш': ['ш', 'шоссе'],
        'пл': ['пл', 'площадь'],
        'б-р': ['б-р', 'бул', 'бульвар'],
        'наб': ['наб', 'набережная'],
        'мкр': ['мкр', 'мкрн', 'мкр-н', 'микрорайон'],
        'кв-л': ['кв-л', 'квартал'],
        'туп': ['туп', 'тупик'],
        'аллея': ['аллея'],
        'тракт': ['тракт'],
        'линия': ['линия'],
    } -%}
    case {{ word }}
    {%- for kind, words in kinds.items() %}
        {%- for one in words %}
        when '{{ one }}' then '{{ kind }}'
        {%- endfor %}
    {%- endfor %}
    end
{%- endmacro %}

{#- A house as people write it: number, letter, fraction, building, structure. What stands after a
    hyphen is a flat. -#}
{% macro house_expression() -%}
    ^(?:(дом|д|зд|здание|влд|владение|уч|стр|строение) )?(\d+)[ -]?([а-я](?![а-я]))?(?: ?/ ?(\d+) ?([а-я](?![а-я]))?)?(?: ?(?:корпус|корп|к) ?(\d+))?(?: ?(?:строение|стр|с) ?(\d+))?
{%- endmacro %}

{#- «д. 12 А, кв. 5», «дом 12а» and «12А» are one house: 12а; «5 корп. 2» is 5к2. Null where the
    expression has not matched. -#}
{% macro house_key(match) -%}
    case when {{ match }}[1] in ('стр', 'строение') then 'с' else '' end
            || {{ match }}[2]
            || coalesce({{ match }}[3], '')
            || coalesce('/' || {{ match }}[4] || coalesce({{ match }}[5], ''), '')
            || coalesce('к' || {{ match }}[6], '')
            || coalesce('с' || {{ match }}[7], '')
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
