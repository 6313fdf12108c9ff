{{ config(materialized='view') }}
-- An appeal with k questions is k rows (DOMAIN 5). Sources tell how many were raised and how many were
-- answered on the merits, and not which: the first ones count as answered.
with appeals as (
    select * from {{ ref('fct_appeals') }}
)

select
    appeals.case_id,
    questions.question_no,
    appeals.region_code,
    appeals.source_code,
    appeals.native_id,
    appeals.received_date,
    appeals.block_code,
    appeals.topic_code,
    appeals.body_code,
    questions.question_no <= coalesce(appeals.questions_answered, 0) as is_answered
from appeals
cross join lateral generate_series(1, appeals.questions_raised) as questions (question_no)
where not appeals.is_deleted
