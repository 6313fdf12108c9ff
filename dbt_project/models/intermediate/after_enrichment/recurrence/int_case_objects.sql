-- The object that a case is about, as fine as its source tells: a house, else a place of some 200 m,
-- else a street, else a municipality. Rules and limits: docs/decisions.md, "What counts as one object".
{%- set any_kind = any_street_kind() %}
{#- Cells of 138 m: two places in one are at most 200 m apart, also where a cell is widest. #}
{%- set cell_m = 138 %}
with cases as (
    select
        case_id,
        region_code,
        address,
        latitude,
        longitude
    from {{ ref('int_cases') }}
),

attributes as (
    select
        case_id,
        municipality_code
    from {{ ref('int_case_attributes') }}
),

addressed as (
    select
        cases.case_id,
        cases.region_code,
        attributes.municipality_code,
        lower(cases.address) as address,
        regexp_split_to_array(
            btrim(
                regexp_replace(
                    translate(lower(cases.address), 'ё№"«»', 'е    '), '\s+', ' ', 'g'
                )
            ),
            '\s*,\s*'
        ) as parts,
        -- 0, 0 is how systems write that they do not know.
        case when cases.latitude <> 0 or cases.longitude <> 0 then cases.latitude end as latitude,
        case when cases.latitude <> 0 or cases.longitude <> 0 then cases.longitude end
            as longitude
    from cases
    inner join attributes on cases.case_id = attributes.case_id
),

located as (
    select
        addressed.*,
        coalesce(
            typed.street_no,
            -- «Тамбов, Советская, 12а»: a number at the end, and no word for a street.
            case
                when
                    cardinality(addressed.parts) >= 2
                    and addressed.parts[cardinality(addressed.parts)]
                    ~ '^((д|дом)\.?\s*)?\d{1,4}\s*[а-я]?(\s*[/-]\s*\d+\s*[а-я]?)?$'
                    then cardinality(addressed.parts) - 1
            end
        ) as street_no
    from addressed
    cross join
        lateral (
            select min(part_no)::int as street_no
            from unnest(addressed.parts) with ordinality as listed (part, part_no)
            where part ~ '^({{ any_kind }})\.?\s|\s({{ any_kind }})\.?$'
        ) as typed
),

named as (
    select
        located.*,
        located.parts[located.street_no] as street_part,
        located.parts[located.street_no + 1] as house_part,
        located.parts[located.street_no + 2] as building_part,
        located.parts[located.street_no - 1] as settlement_part,
        -- «730 Adams St  Dorchester»: the number goes before the street.
        regexp_match(
            located.address, '^(\d+[a-z]?(?:-\d+)?) ([a-z][a-z0-9.&''-]*(?: [a-z0-9.&''-]+)*)'
        ) as foreign_match
    from located
),

parsed as (
    select
        named.case_id,
        named.region_code,
        named.municipality_code,
        named.latitude,
        named.longitude,
        named.foreign_match,
        case
            when named.house_part ~ '^((д|дом|зд|здание|влд|владение|стр|строение|уч)\.?\s*)?\d'
                then
                    named.house_part
                    || case
                        when named.building_part ~ '^(корпус|корп|к|строение|стр)\.?\s*\d'
                            then ' ' || named.building_part
                        else ''
                    end
            -- A number at the end of the street's own part is the house: «ул. Мира 15».
            else
                substring(
                    named.street_part
                    from '\s((?:(?:д|дом)\.?\s*)?\d+\s?[а-я]?(?:[/-]\d+)?)$'
                )
        end as house_text,
        regexp_replace(
            named.street_part, '\s((д|дом)\.?\s*)?\d+\s?[а-я]?([/-]\d+)?$', ''
        ) as street_text,
        -- An index, a region or a district before a street is no settlement.
        case
            when
                named.settlement_part !~ '^\d{5,6}$'
                and named.settlement_part
                !~ '(^|\s)(обл|область|край|респ|республика|р-н|район|округ|аобл|россия|рф)\.?(\s|$)'
                then
                    nullif(
                        btrim(
                            regexp_replace(
                                named.settlement_part,
                                '^(город|село|поселок|деревня|станица|хутор|пгт|рп|пос|дер|г|с|п|д|ст|х)\.?\s+',
                                ''
                            )
                        ),
                        ''
                    )
        end as settlement
    from named
),

keyed as (
    select
        case_id,
        region_code,
        municipality_code,
        latitude,
        longitude,
        settlement,
        case
            when street_text is not null then {{ street_key('street_text') }}
            else foreign_match[2]
        end as street,
        case
            when street_text is not null then {{ house_key('house_text') }}
            else foreign_match[1]
        end as house,
        case
            when latitude is not null and longitude is not null
                then floor(latitude * 111320 / {{ cell_m }})::bigint
        end as cell_row,
        -- One width for a whole degree of latitude, so that neighbours of a cell are its neighbours.
        case
            when latitude is not null and longitude is not null
                then
                    floor(
                        longitude
                        * 111320
                        * round(cos(radians(floor(latitude)::float8 + 0.5))::numeric, 6)
                        / {{ cell_m }}
                    )::bigint
        end as cell_column
    from parsed
),

placed as (
    select
        *,
        -- A street without a place may be in any town of the region.
        case
            when coalesce(municipality_code, settlement) is not null and street is not null
                then
                    concat_ws(
                        '|', region_code, coalesce(municipality_code, ''),
                        coalesce(settlement, ''), street
                    )
        end as street_place
    from keyed
)

select
    case_id,
    region_code,
    case
        when street_place is not null and house is not null then 'house'
        when cell_row is not null then 'point'
        when street_place is not null then 'street'
        when municipality_code is not null then 'municipality'
        else 'none'
    end as object_kind,
    -- Not to be read: the street stands beside it, the house is for nobody's eyes (DOMAIN 4).
    case
        when street_place is not null and house is not null
            then md5('house|' || street_place || '|' || house)
        when cell_row is not null
            then md5(concat_ws('|', 'point', region_code, cell_row, cell_column))
        when street_place is not null then md5('street|' || street_place)
        when municipality_code is not null
            then md5('municipality|' || region_code || '|' || municipality_code)
    end as object_key,
    case
        when street_place is not null and house is not null
            then md5('house|' || street_place || '|' || house)
    end as house_key,
    cell_row,
    cell_column,
    latitude,
    longitude,
    municipality_code,
    case
        when street_place is not null
            then
                initcap(split_part(street, ' (', 1))
                || coalesce(substring(street from ' [(].*$'), '')
    end as street_name
from placed
