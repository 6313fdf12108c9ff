-- Stages of the road maps as of the region's moment: what the register dates later has not happened,
-- terms are known ahead. Late is computed: the term has passed and the stage is neither done nor
-- cancelled; the day of the term is in time.
with stages as (
    select * from {{ ref('stg_project_stages') }}
    where not is_deleted
),

clock as (
    select * from {{ ref('int_region_clock') }}
),

block_labels as (
    select * from {{ ref('int_block_labels') }}
),

body_names as (
    select * from {{ ref('int_body_names') }}
),

known as (
    select
        stages.*,
        clock.as_of_date,
        case
            when stages.state_code = 'done' and stages.done_on > clock.as_of_date then 'active'
            else stages.state_code
        end as state_known
    from stages
    inner join clock on stages.region_code = clock.region_code
)

select
    known.record_key,
    known.region_code,
    known.project_code,
    substring(known.native_id from '_([^_]*)$') as stage_number,
    block_labels.block_code,
    known.block_label,
    known.stage,
    body_names.body_code,
    known.body_label,
    known.due_on,
    case when known.state_known = 'done' then known.done_on end as done_on,
    case
        when known.state_known in ('planned', 'active') and known.due_on < known.as_of_date
            then 'late'
        else known.state_known
    end as state_code,
    known.as_of_date
from known
{{ join_block('known') }}
{{ join_body('known') }}
