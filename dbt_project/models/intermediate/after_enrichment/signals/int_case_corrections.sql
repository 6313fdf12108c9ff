-- What an operator decided about a case, the newest of what can be read: one row a case and field.
with corrections as (
    select * from {{ ref('int_corrections') }}
    where problem_name is null
)

select distinct on (case_id, field_code)
    case_id,
    region_code,
    field_code,
    new_value,
    decided_at,
    block_code,
    municipality_code
from corrections
order by case_id asc, field_code asc, decided_at desc, record_key asc
