-- Which body took over from which, and since when, as the register of bodies states it.
with register as (
    select * from {{ ref('stg_bodies') }}
    where not is_deleted
),

-- A merged body names all that it came from.
successors as (
    select
        register.region_code,
        register.native_id as successor_code,
        register.valid_from,
        register.act,
        named.predecessor_code
    from register
    cross join
        lateral regexp_split_to_table(register.predecessor_body_code, '\s*,\s*')
            as named (predecessor_code)
)

select
    successors.region_code,
    successors.predecessor_code,
    successors.successor_code,
    -- The successor begins, or the predecessor ends: the register may tell either.
    coalesce(successors.valid_from, predecessors.valid_to) as valid_from,
    coalesce(successors.act, 'реестр органов') as clause
from successors
-- One that the register does not list has nothing to keep its history under.
inner join register as predecessors
    on
        successors.region_code = predecessors.region_code
        and successors.predecessor_code = predecessors.native_id
where
    successors.successor_code <> predecessors.native_id
    and coalesce(successors.valid_from, predecessors.valid_to) is not null
