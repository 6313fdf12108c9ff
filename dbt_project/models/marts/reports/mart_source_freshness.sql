{#- A view: what is late is late now, and not when the marts were last built. -#}
{{ config(materialized='view') }}
with expected_loads as (
    select
        *,
        extract(epoch from now() - waiting_since) / 3600 as age_hours
    from {{ ref('int_expected_loads') }}
),

load_days as (
    select * from {{ ref('int_load_days') }}
),

newest_days as (
    select * from load_days
    where is_newest
),

like_days as (
    select
        load_days.source_code,
        load_days.entity_code,
        load_days.region_code,
        load_days.rows_read,
        row_number() over (
            partition by load_days.source_code, load_days.entity_code, load_days.region_code
            order by load_days.load_date desc
        ) as recency
    from load_days
    inner join newest_days
        on
            load_days.source_code = newest_days.source_code
            and load_days.entity_code = newest_days.entity_code
            and load_days.region_code = newest_days.region_code
            and load_days.day_kind = newest_days.day_kind
            and load_days.load_date < newest_days.load_date
),

usual as (
    select
        source_code,
        entity_code,
        region_code,
        count(*) as like_days,
        percentile_cont(0.5) within group (order by rows_read)::numeric as usual_rows
    from like_days
    where recency <= 8
    group by source_code, entity_code, region_code
),

measured as (
    select
        expected_loads.*,
        newest_days.load_date,
        newest_days.day_kind,
        newest_days.rows_read,
        usual.usual_rows,
        coalesce(usual.like_days, 0) as like_days,
        expected_loads.age_hours > expected_loads.warn_hours as is_late,
        expected_loads.age_hours > expected_loads.error_hours as is_overdue
    from expected_loads
    left join newest_days
        on
            expected_loads.source_code = newest_days.source_code
            and expected_loads.entity_code = newest_days.entity_code
            and expected_loads.region_code = newest_days.region_code
    left join usual
        on
            expected_loads.source_code = usual.source_code
            and expected_loads.entity_code = usual.entity_code
            and expected_loads.region_code = usual.region_code
),

judged as (
    select
        *,
        case
            when last_loaded_at is null then 'never_loaded'
            when is_overdue then 'overdue'
            when is_late then 'late'
            else 'on_time'
        end as freshness_code,
        case
            when like_days < 4 then 'not_compared'
            when rows_read < 0.7 * usual_rows then 'below_usual'
            else 'usual'
        end as volume_code
    from measured
)

select
    source_code,
    source_name,
    entity_code,
    record_kind_name,
    region_code,
    region_name,
    owner,
    last_loaded_at,
    round(age_hours, 1) as age_hours,
    warn_hours,
    error_hours,
    is_late,
    is_overdue,
    freshness_code,
    case freshness_code
        when 'on_time' then 'в срок'
        when 'late' then 'опаздывает'
        when 'overdue' then 'просрочено'
        when 'never_loaded' then 'не загружался'
    end as freshness_name,
    load_date,
    case day_kind
        when 'working' then 'рабочий'
        when 'weekend' then 'выходной'
        when 'holiday' then 'праздничный'
    end as day_kind_name,
    rows_read,
    like_days,
    round(usual_rows, 1) as usual_rows,
    case when like_days >= 4 then round(rows_read / nullif(usual_rows, 0), 4) end as volume_share,
    volume_code,
    case volume_code
        when 'usual' then 'обычный'
        when 'below_usual' then 'ниже обычного'
        when 'not_compared' then 'не с чем сравнить'
    end as volume_name,
    now() as as_of,
    '{{ var("metric_version") }}' as metric_version,
    '{{ config_version() }}' as config_version
from judged
