-- Which body answers in law for what a source writes under a name, by day: history stays with the
-- legal predecessor, and what comes after a reorganisation is the successor's (DOMAIN 5.3). Only
-- bodies that have either. Where one became several, or several became one, nobody can tell from the
-- name alone whose the cases were: they stay where the source has them.
with recursive succession as (
    select * from {{ ref('int_body_succession') }}
),

onward as (
    select
        predecessor_code as body_code,
        min(successor_code) as other_code,
        min(valid_from) as changed_on
    from succession
    group by predecessor_code
    having count(distinct successor_code) = 1
),

backward as (
    select
        successor_code as body_code,
        min(predecessor_code) as other_code,
        min(valid_from) as changed_on
    from succession
    group by successor_code
    having count(distinct predecessor_code) = 1
),

successors as (
    select
        body_code,
        other_code as legal_body_code,
        changed_on as valid_from,
        array[body_code, other_code] as path
    from onward
    union all
    select
        successors.body_code,
        onward.other_code as legal_body_code,
        greatest(successors.valid_from, onward.changed_on) as valid_from,
        successors.path || onward.other_code as path
    from successors
    inner join onward on successors.legal_body_code = onward.body_code
    where not onward.other_code = any(successors.path)
),

predecessors as (
    select
        body_code,
        other_code as legal_body_code,
        changed_on as valid_to,
        array[body_code, other_code] as path
    from backward
    union all
    select
        predecessors.body_code,
        backward.other_code as legal_body_code,
        least(predecessors.valid_to, backward.changed_on) as valid_to,
        predecessors.path || backward.other_code as path
    from predecessors
    inner join backward on predecessors.legal_body_code = backward.body_code
    where not backward.other_code = any(predecessors.path)
),

own as (
    select
        coalesce(onward.body_code, backward.body_code) as body_code,
        backward.changed_on as valid_from,
        onward.changed_on as valid_to
    from onward
    full join backward on onward.body_code = backward.body_code
)

select
    body_code,
    legal_body_code,
    valid_from,
    lead(valid_from) over (partition by body_code order by cardinality(path)) as valid_to
from successors
union all
select
    body_code,
    body_code as legal_body_code,
    valid_from,
    valid_to
from own
union all
select
    body_code,
    legal_body_code,
    lead(valid_to) over (partition by body_code order by cardinality(path)) as valid_from,
    valid_to
from predecessors
