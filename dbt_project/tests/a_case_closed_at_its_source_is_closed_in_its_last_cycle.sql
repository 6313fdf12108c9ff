-- Время закрытия, известное источнику, доходит до последнего цикла случая.
-- A closing time or flag that the source gave reaches the last cycle of the case.
{{ config(store_failures=true, tags=['after_enrichment']) }}
with appeals as (
    select
        case_id,
        closed_at,
        is_closed
    from {{ ref('fct_appeals') }}
),

last_cycles as (
    select
        case_id,
        closed_at,
        is_closed
    from {{ ref('fct_deadlines') }}
    where is_last_cycle
)

select
    appeals.case_id,
    appeals.closed_at,
    appeals.is_closed
from appeals
inner join last_cycles on appeals.case_id = last_cycles.case_id
where
    (appeals.closed_at is not null and last_cycles.closed_at is null)
    or (appeals.is_closed and not last_cycles.is_closed)
