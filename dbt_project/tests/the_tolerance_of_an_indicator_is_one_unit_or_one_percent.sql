-- До 100 единица больше 1 %, выше больше 1 %: 303 рядом с 300, 303,01 — нет (DOMAIN 5.11).
-- Up to 100 a unit is more than 1 %, above it 1 % is more: 303 is near 300, 303.01 is not.
{{ config(store_failures=true, tags=['after_enrichment']) }}
with expected (declared_value, computed_value, is_near) as (
    values
    (1.0, 0.0, true), (1.01, 0.0, false), (76.0, 75.0, true), (76.01, 75.0, false),
    (101.0, 100.0, true), (101.01, 100.0, false), (202.0, 200.0, true), (202.01, 200.0, false),
    (303.0, 300.0, true), (303.01, 300.0, false), (297.0, 300.0, true), (296.99, 300.0, false),
    (-303.0, -300.0, true), (-303.01, -300.0, false)
)

select
    declared_value,
    computed_value,
    is_near
from expected
where is_near <> (abs(declared_value - computed_value) <= {{ indicator_tolerance('computed_value') }})
