{{ config(
    materialized='incremental',
    incremental_strategy='by_change',
    unique_key='case_id',
    pre_hook="{{ collect_redo() }}",
    indexes=[{'columns': ['case_id'], 'unique': true}],
) }}
-- The object that a case is about, as fine as its source tells: a house, else a place of some 200 m,
-- else a street, else a municipality. Rules and limits: docs/decisions.md, "What counts as one object".
-- Words are compared and not matched by expressions where that will do: PostgreSQL keeps 32 compiled
-- expressions, and one more would have each of them compiled anew for every row. Each step is
-- materialized: written into the next one it would be computed once a mention.
{#- Cells of 138 m: two places in one are at most 200 m apart, also where a cell is widest. #}
{%- set cell_m = 138 %}
with corrected as (
    select
        case_id,
        new_value as address
    from {{ ref('int_case_corrections') }}
    where field_code = 'address'
),

described as (
    select * from {{ ref('int_case_records') }}
    where {{ is_redone('case_id') }}
),

-- An address that an operator set right stands for the source's, whose point is then as wrong as the
-- address was. A case whose text was erased gets none: nothing may lead to the person again.
cases as (
    select
        described.case_id,
        described.region_code,
        coalesce(corrected.address, described.address) as address,
        case when corrected.address is null then described.latitude end as latitude,
        case when corrected.address is null then described.longitude end as longitude
    from described
    left join corrected
        on
            described.case_id = corrected.case_id
            and (described.message_text is not null or described.text_hash is null)
),

attributes as (
    select
        case_id,
        municipality_code
    from {{ ref('int_case_attributes') }}
    where {{ is_redone('case_id') }}
),

-- Every spelling is read once: many cases are about one house.
addressed as materialized (
    select
        address as written,
        lower(address) as address,
        string_to_array(
            replace(
                replace(
                    btrim(
                        regexp_replace(
                            translate(lower(address), 'ё№"«».', 'е     '), '\s+', ' ', 'g'
                        )
                    ),
                    ' ,', ','
                ),
                ', ', ','
            ),
            ','
        ) as parts
    from (
        select distinct address from cases
        where address is not null
    ) as spellings
),

located as materialized (
    select
        addressed.*,
        coalesce(
            typed.street_no,
            -- «Тамбов, Советская, 12а»: a number at the end, and no word for a street.
            case
                when
                    cardinality(addressed.parts) >= 2
                    and addressed.parts[cardinality(addressed.parts)]
                    ~ '^(?:(?:д|дом) )?\d{1,4}[ -]?[а-я]?(?: ?/ ?\d+ ?[а-я]?)?$'
                    then cardinality(addressed.parts) - 1
            end
        ) as street_no
    from addressed
    cross join
        lateral (
            select min(part_no)::int as street_no
            from unnest(addressed.parts) with ordinality as listed (part, part_no)
            where
                {{ street_kind("split_part(part, ' ', 1)") }} is not null
                or {{ street_kind("split_part(part, ' ', -1)") }} is not null
        ) as typed
),

worded as materialized (
    select
        located.*,
        located.parts[located.street_no] as street_part,
        located.parts[located.street_no - 1] as settlement_part,
        located.parts[located.street_no + 1] as house_part,
        located.parts[located.street_no + 2] as building_part,
        {{ street_kind("split_part(located.parts[located.street_no], ' ', 1)") }} as first_kind,
        {{ street_kind("split_part(located.parts[located.street_no], ' ', -1)") }} as last_kind,
        split_part(located.parts[located.street_no - 1], ' ', 1) as first_word,
        split_part(located.parts[located.street_no - 1], ' ', -1) as last_word
    from located
),

named as materialized (
    select
        worded.*,
        -- «ул. Набережная» and «Набережная ул.» are streets, whatever their name says.
        case
            when worded.first_kind = 'ул' then 'first'
            when worded.last_kind = 'ул' then 'last'
            when worded.first_kind is not null then 'first'
            when worded.last_kind is not null then 'last'
        end as kind_stands,
        -- «730 Adams St  Dorchester»: the number goes before the street.
        case
            when worded.street_no is null
                then
                    regexp_match(
                        worded.address,
                        '^(\d+[a-z]?(?:-\d+)?) ([a-z][a-z0-9.&''-]*(?: [a-z0-9.&''-]+)*)'
                    )
        end as foreign_match,
        -- An index, a region or a district before a street is no settlement.
        case
            when
                worded.settlement_part ~ '^\d+$'
                or worded.last_word in (
                    'обл', 'область', 'край', 'респ', 'республика', 'р-н', 'район', 'округ', 'аобл'
                )
                or worded.first_word in ('респ', 'республика')
                or worded.settlement_part in ('россия', 'рф')
                then null
            when
                worded.first_word in (
                    'г', 'город', 'с', 'село', 'п', 'пос', 'поселок', 'рп', 'пгт', 'д', 'дер',
                    'деревня', 'ст', 'станица', 'х', 'хутор'
                )
                and worded.settlement_part <> worded.first_word
                then substr(worded.settlement_part, length(worded.first_word) + 2)
            else nullif(worded.settlement_part, '')
        end as settlement
    from worded
),

stripped as materialized (
    select
        named.*,
        case named.kind_stands
            when 'first' then substr(named.street_part, position(' ' in named.street_part) + 1)
            when 'last'
                then
                    left(
                        named.street_part, -1 - length(split_part(named.street_part, ' ', -1))
                    )
            else named.street_part
        end as full_name,
        case named.kind_stands
            when 'first' then named.first_kind when 'last' then named.last_kind else 'ул'
        end as street_kind
    from named
),

split as materialized (
    select
        stripped.*,
        case
            when stripped.house_part ~ '^(?:(?:дом|д|зд|здание|влд|владение|уч|стр|строение) )?\d'
                then
                    stripped.house_part
                    || case
                        when stripped.building_part ~ '^(?:корпус|корп|к|строение|стр) ?\d'
                            then ' ' || stripped.building_part
                        else ''
                    end
        end as house_text,
        -- «ул. Мира 15»: a number at the end of the street's own part may be the house.
        regexp_match(
            stripped.full_name,
            '^(.*[^ ]) ((?:д |дом )?\d+ ?(?:[а-я](?![а-я]))?(?: ?/ ?\d+)?(?: ?(?:к|корп) ?\d+)?)$'
        ) as name_match
    from stripped
),

matched as materialized (
    select
        *,
        case when house_text is null then coalesce(name_match[1], full_name) else full_name end
            as plain_name,
        regexp_match(coalesce(house_text, name_match[2]), '{{ house_expression() }}') as house_match
    from split
),

parsed as materialized (
    select
        written,
        settlement,
        case
            when street_part is not null
                then
                    nullif(plain_name, '')
                    || case when street_kind <> 'ул' then ' (' || street_kind || ')' else '' end
            else foreign_match[2]
        end as street,
        coalesce(foreign_match[1], {{ house_key('house_match') }}) as house
    from matched
),

located_cases as (
    select
        cases.case_id,
        cases.region_code,
        attributes.municipality_code,
        parsed.settlement,
        parsed.street,
        parsed.house,
        -- 0, 0 is how systems write that they do not know.
        case when cases.latitude <> 0 or cases.longitude <> 0 then cases.latitude end as latitude,
        case when cases.latitude <> 0 or cases.longitude <> 0 then cases.longitude end
            as longitude
    from cases
    inner join attributes on cases.case_id = attributes.case_id
    left join parsed on cases.address = parsed.written
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
        end as street_place,
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
    from located_cases
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
