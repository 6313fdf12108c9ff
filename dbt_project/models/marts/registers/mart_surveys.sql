{{ config(
    indexes=[
        {'columns': ['region_code', 'started_on']},
        {'columns': ['block_code']},
    ]
) }}
with surveys as (
    select * from {{ ref('int_surveys') }}
),

regions as (
    select * from {{ ref('dim_regions') }}
),

blocks as (
    select * from {{ ref('dim_blocks') }}
),

bodies as (
    select * from {{ ref('dim_bodies') }}
),

municipalities as (
    select * from {{ ref('dim_municipalities') }}
),

modules as (
    select
        region_code,
        module_label
    from {{ ref('dim_region_modules') }}
    where module_code = 'surveys'
),

measured as (
    select
        *,
        sum(answers) over question as question_answers,
        sum(answers) filter (where is_satisfied is not null) over question as judged_answers,
        sum(answers) filter (where is_satisfied) over question as satisfied_answers,
        bool_or(is_satisfied is not null) over question as is_about_satisfaction,
        -- DOMAIN 5.5: fewer than ten say nothing.
        is_finished and respondents >= 10 as is_published
    from surveys
    window question as (partition by region_code, survey_number, question_number)
)

select
    measured.region_code,
    regions.region_name,
    measured.survey_number,
    measured.question_number,
    measured.answer_number,
    measured.title,
    measured.method_code,
    measured.method_name,
    measured.block_code,
    coalesce(blocks.block_name, measured.block_label, 'Не указан') as block_name,
    measured.municipality_code,
    coalesce(
        municipalities.municipality_name, measured.municipality_label, 'Весь регион'
    ) as municipality_name,
    measured.body_code,
    coalesce(bodies.body_name, measured.body_label, 'Не назван') as body_name,
    case when measured.is_about_satisfaction then 'удовлетворённость' else 'мнение' end
        as subject_name,
    measured.started_on,
    measured.ended_on,
    measured.is_finished,
    measured.respondents,
    measured.question,
    measured.answer,
    measured.answers,
    -- Several answers may be ticked: shares are of the people asked, and may add up to more than 1.
    case
        when measured.is_published
            then round(measured.answers::numeric / measured.respondents, 4)
    end as answer_share,
    measured.is_satisfied,
    case
        when measured.is_published
            then
                round(
                    coalesce(measured.satisfied_answers, 0)::numeric
                    / nullif(measured.judged_answers, 0),
                    4
                )
    end as satisfied_share,
    measured.question_answers > measured.respondents as has_several_answers,
    case
        when not measured.is_finished then 'опрос не завершён'
        when measured.respondents < 10 then 'опрошено меньше десяти человек'
    end as not_computed_reason,
    measured.agreed_on,
    measured.agreed_by,
    case
        when measured.agreed_by is null then 'не требуется'
        when measured.agreed_on is null then 'не согласован'
        when measured.agreed_on > measured.started_on then 'согласован после начала'
        else 'согласован'
    end as agreement_state,
    measured.record_key,
    -- A module that no row names is asked for by no act.
    coalesce(modules.module_label, 'вне положения') as module_label,
    regions.as_of,
    '{{ var("metric_version") }}' as metric_version,
    '{{ config_version() }}' as config_version
from measured
inner join regions on measured.region_code = regions.region_code
left join modules on measured.region_code = modules.region_code
left join blocks on measured.block_code = blocks.block_code
left join bodies on measured.body_code = bodies.body_code
left join municipalities on measured.municipality_code = municipalities.municipality_code
