-- Answers of surveys that had begun by the region's moment; the last day belongs to the survey.
with surveys as (
    select * from {{ ref('stg_surveys') }}
    where not is_deleted and started_on is not null
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

municipality_names as (
    select * from {{ ref('int_municipality_names') }}
),

register_values as (
    select * from {{ ref('register_values') }}
),

approvals as (
    select * from {{ ref('register_approvals') }}
    where register_code = 'surveys'
)

select
    surveys.record_key,
    surveys.region_code,
    -- № опроса, № вопроса, № ответа: the key of the register, joined by the loader. The number of a
    -- survey may hold the separator, the two ordinals do not.
    regexp_replace(surveys.native_id, '_[^_]*_[^_]*$', '') as survey_number,
    substring(surveys.native_id from '_([^_]*)_[^_]*$') as question_number,
    substring(surveys.native_id from '_([^_]*)$') as answer_number,
    surveys.title,
    surveys.method_code,
    methods.value_name as method_name,
    block_labels.block_code,
    surveys.block_label,
    municipality_names.municipality_code,
    surveys.municipality_label,
    body_names.body_code,
    surveys.body_label,
    case when surveys.agreed_on <= clock.as_of_date then surveys.agreed_on end as agreed_on,
    approvals.role_name as agreed_by,
    approvals.clause as agreement_clause,
    surveys.started_on,
    surveys.ended_on,
    coalesce(surveys.ended_on < clock.as_of_date, false) as is_finished,
    surveys.respondents,
    surveys.question,
    surveys.answer,
    surveys.answers,
    surveys.is_satisfied,
    clock.as_of_date
from surveys
inner join clock
    on surveys.region_code = clock.region_code and surveys.started_on <= clock.as_of_date
{{ join_block('surveys') }}
{{ join_municipality('surveys') }}
{{ join_body('surveys') }}
{{ join_value('methods', 'surveys.method_code', 'surveys', 'method') }}
-- The rule in force when the survey began.
left join approvals
    on
        surveys.region_code = approvals.region_code
        and surveys.method_code = approvals.applies_to
        and {{ in_force('approvals', 'surveys.started_on') }}
