{#- Cells that have to be made anew for a reason that lies outside them: `also` of collect_cells. -#}

{#- For the heat map: every municipality has a row in each week, whether anything came from it or not. -#}
{% macro cells_of_changed_municipalities() -%}
    select
        region_code,
        block_code,
        week_start,
        '-' as place
    from {{ this }}
    where region_code in (
        select coalesce(stored.region_code, municipalities.region_code)
        from (
            select distinct
                region_code,
                municipality_code,
                population
            from {{ this }}
            where municipality_code is not null
        ) as stored
        full join {{ ref('dim_municipalities') }} as municipalities
            on
                stored.region_code = municipalities.region_code
                and stored.municipality_code = municipalities.municipality_code
        where
            stored.municipality_code is null
            or municipalities.municipality_code is null
            or stored.population is distinct from municipalities.population
    )
{%- endmacro %}

{#- For the overview. A month is held against the three before it; an answer has become 90 days old; the
    region's first month, its population or what comes back is another one. -#}
{% macro cells_of_overview() -%}
    select
        months.region_code,
        months.block_code,
        (months.month_date + later.months * interval '1 month')::date as month_date,
        '-' as place
    from (
        select
            region_code,
            block_code,
            month_date
        from {{ ref('int_case_months') }}
        where
            received_date is not null
            and found_at > {{ seen_at() }}
        -- A case that came or left since, or is of another municipality now.
        group by region_code, block_code, month_date, case_id, counted_in
        having bool_or(is_current) <> bool_or(begun_at <= {{ seen_at() }})
    ) as months
    cross join generate_series(1, 3) as later (months)
    union
    select
        cases.region_code,
        cases.block_code,
        cases.month_date,
        '-' as place
    from {{ clock() }} as clock
    inner join audit.model_states as states on states.model = '{{ this.identifier }}'
    cross join lateral (
        select
            own.region_code,
            own.block_code,
            own.month_date
        from {{ ref('fct_counted_cases') }} as own
        where
            own.region_code = clock.region_code
            and own.first_answered_at <= clock.as_of - interval '90 days'
            and own.first_answered_at
            > (states.as_of ->> clock.region_code)::timestamptz - interval '90 days'
        {{ looked_up() }}
    ) as cases
    union
    select
        stored.region_code,
        stored.block_code,
        stored.month_date,
        '-' as place
    from {{ this }} as stored
    left join {{ ref('kept_first_months') }} as firsts on stored.region_code = firsts.region_code
    left join {{ ref('int_population_shares') }} as shares
        on
            stored.region_code = shares.region_code
            and stored.municipality_code = shares.municipality_code
    left join {{ ref('int_leading_causes') }} as causes
        on
            stored.month_date = causes.month_date
            and stored.region_code = causes.region_code
            and stored.block_code = causes.block_code
            and coalesce(stored.municipality_code, '-') = coalesce(causes.municipality_code, '-')
    where
        (stored.mean_cases is not null)
        is distinct from (stored.month_date - interval '3 months' >= firsts.first_month)
        or stored.population_share is distinct from shares.population_share
        or stored.root_cause is distinct from causes.root_cause
{%- endmacro %}
