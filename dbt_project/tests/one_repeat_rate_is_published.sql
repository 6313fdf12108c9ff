-- Комплексная картина и витрина повторных обращений показывают одну и ту же долю повторов.
-- The overview and the mart of repeats tell one repeat rate (DOMAIN 5.4, 5.16): the same answers, by
-- month of receipt there and by month of the answer here, so that a block of a region has as many.
{{ config(store_failures=true, tags=['after_enrichment']) }}
with overview as (
    select
        region_code,
        block_code,
        sum(ripe_answers) as answers,
        sum(repeated_answers) as repeated
    from {{ ref('mart_problem_overview') }}
    group by region_code, block_code
    having sum(ripe_answers) > 0
),

repeats as (
    select
        region_code,
        block_code,
        sum(observed_cases) as answers,
        sum(repeated_cases) as repeated
    from {{ ref('mart_repeat_appeals') }}
    group by region_code, block_code
    having sum(observed_cases) > 0
)

select
    coalesce(overview.region_code, repeats.region_code) as region_code,
    coalesce(overview.block_code, repeats.block_code) as block_code,
    overview.answers as overview_answers,
    repeats.answers as repeat_answers,
    overview.repeated as overview_repeated,
    repeats.repeated as repeat_repeated
from overview
full join repeats
    on overview.region_code = repeats.region_code and overview.block_code = repeats.block_code
where
    (overview.answers, overview.repeated) is distinct from (repeats.answers, repeats.repeated)
