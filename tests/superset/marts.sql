-- The marts as the contract names them, filled with invented figures: 25 months,
-- 5 regions, 8 blocks, OTHER and unknown. Deterministic (hashtext), so that tests can count.
create schema if not exists marts;
create table marts.dim_blocks (block_code text primary key, block_name text);
insert into marts.dim_blocks values
  ('HEALTH', 'Здравоохранение'), ('EDU', 'Образование'), ('SOC', 'Социальная защита'),
  ('HCS', 'Жилищно-коммунальное хозяйство'), ('WASTE', 'Твёрдые коммунальные отходы'),
  ('ROADS', 'Дороги'), ('TRANSPORT', 'Транспорт'), ('ENERGY', 'Энергетика'),
  ('OTHER', 'Прочее'), ('unknown', 'Не определён');

create temporary table r as
select * from (values
  ('tambov', 'Тамбовская область', 'Europe/Moscow'), ('pskov', 'Псковская область', 'Europe/Moscow'),
  ('jewish_ao', 'Еврейская автономная область', 'Asia/Vladivostok'),
  ('chelyabinsk', 'Челябинская область', 'Asia/Yekaterinburg'),
  ('samara', 'Самарская область', 'Europe/Samara')
) as t (region_code, region_name, zone);
create temporary table b as
select * from (values
  ('oiv', 'Органы исполнительной власти', 'Министерство здравоохранения', 'HEALTH'),
  ('oiv', 'Органы исполнительной власти', 'Министерство образования', 'EDU'),
  ('oiv', 'Органы исполнительной власти', 'Министерство строительства и ЖКХ', 'HCS'),
  ('oiv', 'Органы исполнительной власти', 'Министерство дорог и транспорта', 'ROADS'),
  ('omsu', 'Органы местного самоуправления', 'Администрация областного центра', 'HCS'),
  ('omsu', 'Органы местного самоуправления', 'Администрация северного района', 'OTHER'),
  ('institution', 'Учреждения', 'Управление дорожного хозяйства', 'ROADS')
) as t (body_kind_code, body_kind_name, short_name, main_block_code);

create function pg_temp.h(text, int) returns int language sql immutable as
$$ select abs(hashtext($1)::bigint % $2)::int $$;

create table marts.mart_deadline_compliance as
with cells as (
  select m.month_date::date as month_date, r.*, d.block_code, d.block_name, b.short_name,
         c.channel_code, c.channel_name, k.n as municipality_no,
         concat_ws('-', m.month_date, r.region_code, d.block_code, b.short_name, c.channel_code, k.n) as seed
  from generate_series(date '2024-11-01', date '2026-12-01', interval '1 month') as m (month_date)
  cross join r cross join marts.dim_blocks as d
  join b on b.main_block_code = d.block_code or b.main_block_code in ('HCS', 'OTHER')
  cross join (values ('pos', 'Платформа обратной связи'), ('municipal', 'Муниципальная система'),
                     ('open311', 'Городской портал')) as c (channel_code, channel_name)
  cross join generate_series(1, 2) as k (n)
), numbers as (
  select *, pg_temp.h(seed, 5) as base, pg_temp.h(seed || 'l', 100) as dice from cells
)
select month_date, region_code, region_name, block_code, block_name,
       region_code || '_' || pg_temp.h(short_name, 10000) as body_code,
       short_name || ' (' || region_name || ')' as body_name,
       lpad((pg_temp.h(region_name, 90) * 1000000 + municipality_no)::text, 8, '0') as municipality_code,
       case municipality_no when 1 then 'Городской округ, ' else 'Северный район, ' end || region_name
         as municipality_name,
       channel_code, channel_name,
       base + 1 as cycles,
       case when month_date > '2026-11-01' then 0 else base + 1 - (dice < 10)::int end as due_cohort,
       case when month_date > '2026-11-01' then 0 else base end as on_time,
       case when month_date > '2026-11-01' then 0
            else 1 - (dice < 10)::int - (dice > 85 and month_date > '2026-06-01')::int end as late,
       case when month_date > '2026-11-01' then 0
            else (dice > 85 and month_date > '2026-06-01')::int end as overdue_open,
       case when month_date > '2026-11-01' then base + 1 else 0 end as open,
       case when month_date > '2026-11-01' then 0 else (dice < 10)::int end as undefined,
       (dice = 50)::int as source_verdict_mismatches,
       month_date < '2026-11-01' as is_month_finished,
       timestamp '2026-11-21 06:00' at time zone zone as as_of,
       '1' as metric_version, '1' as config_version
from numbers;

create table marts.agg_deadline_compliance as
select month_date, region_code, region_name, block_code, block_name, body_code, body_name,
       channel_code, channel_name, sum(cycles)::bigint as cycles, sum(due_cohort)::bigint as due_cohort,
       sum(on_time)::bigint as on_time, sum(late)::bigint as late,
       sum(overdue_open)::bigint as overdue_open, sum(open)::bigint as open,
       sum(undefined)::bigint as undefined,
       sum(source_verdict_mismatches)::bigint as source_verdict_mismatches,
       is_month_finished, as_of, metric_version, config_version
from marts.mart_deadline_compliance
group by month_date, region_code, region_name, block_code, block_name, body_code, body_name,
         channel_code, channel_name, is_month_finished, as_of, metric_version, config_version;

create table marts.mart_block_workload as
with cells as (
  select w.week_start::date as week_start, r.*, d.block_code, d.block_name,
         concat_ws('-', w.week_start, r.region_code, d.block_code) as seed,
         30 + pg_temp.h(d.block_code || r.region_code, 60) as level,
         d.block_code not in ('OTHER', 'unknown')
           and not (r.region_code = 'jewish_ao' and d.block_code in ('WASTE', 'ENERGY')) as is_computed,
         pg_temp.h(d.block_code || r.region_code || 'u', 80) as load
  from generate_series(date '2024-11-18', date '2026-11-16', interval '7 days') as w (week_start)
  cross join r cross join marts.dim_blocks as d
), numbers as (
  select *, level + pg_temp.h(seed, 15) as intake, level + pg_temp.h(seed || 'c', 13) as closures,
         level * 3 + pg_temp.h(seed || 'o', 40) as open_cases,
         case when is_computed then (45 + load + pg_temp.h(seed || 'u', 9))::numeric / 100 end
           as occupancy_share
  from cells
)
select week_start, region_code, region_name, block_code, block_name, intake, closures, open_cases,
       round(closures / 7.0, 2) as mean_daily_closures_28d,
       round(open_cases / (closures / 7.0), 1) as backlog_days,
       round(occupancy_share * 80, 1) as work_hours,
       case when is_computed then 80.0 end as capacity_hours,
       case when is_computed then 2.4 end as rostered_fte,
       occupancy_share,
       case when occupancy_share < 0.7 then 'менее 70 %' when occupancy_share <= 1 then '70–100 %'
            when occupancy_share <= 1.2 then '100–120 %' when occupancy_share > 1.2 then 'более 120 %'
       end as occupancy_band,
       case when is_computed then round(intake / 2.4, 1) end as intake_per_fte,
       case when is_computed then round(open_cases / 2.4, 1) end as open_per_fte,
       case when is_computed then round(occupancy_share * 80 / 2.4, 2) end as work_hours_per_fte,
       intake - closures as net_flow,
       coalesce(load > 64, false) and is_computed as is_staffing_proposed,
       is_computed,
       case when not is_computed then 'нет графика дежурств' end as not_computed_reason,
       case when region_code in ('tambov', 'pskov') then '' else 'вне положения' end as module_label,
       week_start < '2026-11-16' as is_week_finished,
       timestamp '2026-11-21 06:00' at time zone zone as as_of,
       '1' as metric_version, '1' as config_version
from numbers;

create table marts.mart_agency_rating as
with periods as (
  select 'month' as period_kind, p::date as period_start, p < '2026-11-01' as is_period_finished
  from generate_series(date '2024-11-01', date '2026-11-01', interval '1 month') as p
  union all
  select 'quarter', p::date, p < '2026-10-01'
  from generate_series(date '2024-10-01', date '2026-10-01', interval '3 months') as p
), cells as (
  select periods.*, r.*, b.*, concat_ws('-', period_kind, period_start, region_code, short_name) as seed
  from periods cross join r cross join b
), numbers as (
  select *, case when pg_temp.h(seed || 'n', 12) = 0 then 4 else 20 + pg_temp.h(seed, 300) end
              as answered_cycles,
         (600 + pg_temp.h(short_name || region_code, 300) + pg_temp.h(seed || 's', 60)) / 10.0 as score
  from cells
), ranked as (
  select *, answered_cycles >= 10 as is_ranked,
         dense_rank() over (partition by period_kind, period_start, region_code, body_kind_code,
                            answered_cycles >= 10 order by score desc) as place
  from numbers
)
select period_kind, period_start, region_code, region_name,
       region_code || '_' || pg_temp.h(short_name, 10000) as body_code,
       short_name || ' (' || region_name || ')' as body_name,
       body_kind_code, body_kind_name, main_block_code, answered_cycles,
       case when is_ranked then score::numeric(4, 1) end as score,
       case when is_ranked then (score - 300.0 / (answered_cycles + 30))::numeric(4, 1) end as score_low,
       case when is_ranked then least(100, score + 300.0 / (answered_cycles + 30))::numeric(4, 1) end
         as score_high,
       case when is_ranked then place end::int as rank,
       case when is_ranked then (array['A', 'B', 'C'])[least(place, 3)] end as tier,
       case when is_ranked then 'ranked' else 'мало данных' end as rating_state, '' as module_label,
       is_period_finished, timestamp '2026-11-21 06:00' at time zone zone as as_of,
       '1' as metric_version, '1' as config_version
from ranked;

create table marts.mart_agency_rating_dimensions as
select a.period_kind, a.period_start, a.region_code, a.region_name, a.body_code, a.body_name,
       a.body_kind_code, a.body_kind_name, a.main_block_code, d.dimension_code, d.dimension_name,
       0.25::numeric as weight, round(a.answered_cycles * v.raw_value) as numerator,
       a.answered_cycles as n, v.raw_value, v.raw_value as shrunk_value, 0.8::numeric as peer_value,
       v.raw_value - 0.05 as interval_low, least(1, v.raw_value + 0.05) as interval_high,
       round(25 * v.raw_value, 1) as contribution,
       array[gen_random_uuid()] as case_ids,
       a.is_period_finished, a.as_of, a.metric_version, a.config_version
from marts.mart_agency_rating as a
cross join (values ('quantity', 'Количество'), ('quality', 'Качество'), ('speed', 'Скорость'),
                   ('completeness', 'Полнота')) as d (dimension_code, dimension_name)
cross join lateral (
  select (60 + pg_temp.h(a.body_name || d.dimension_code || a.period_start, 38))::numeric / 100
) as v (raw_value);

-- One region's source in each state; the other regions in time.
create table marts.mart_source_freshness as
select k.source_code, k.source_name, k.record_kind as entity_code, k.record_kind_name,
       r.region_code, r.region_name, 'data-engineering' as owner,
       timestamptz '2026-11-21 06:00+03' - make_interval(hours => s.hours) as last_loaded_at,
       coalesce(s.hours, 1)::numeric as age_hours, 36 as warn_hours, 72 as error_hours,
       coalesce(s.hours, 0) > 36 as is_late, coalesce(s.hours, 0) > 72 as is_overdue,
       s.freshness_code, s.freshness_name, 100::bigint as rows_read, 200::numeric as usual_rows,
       0.5::numeric as volume_share, 'below_usual' as volume_code, 'ниже обычного' as volume_name,
       timestamptz '2026-11-21 06:00+03' as as_of, '1' as metric_version, '1' as config_version
from (values ('pos', 'Платформа обратной связи', 'appeal', 'Обращения'),
             ('vk', 'ВКонтакте', 'post', 'Публикации')) as k
       (source_code, source_name, record_kind, record_kind_name)
cross join r
join (values ('tambov', 3, 'on_time', 'в срок'), ('pskov', 40, 'late', 'опаздывает'),
             ('samara', 100, 'overdue', 'просрочено'), ('chelyabinsk', 5, 'on_time', 'в срок'),
             ('jewish_ao', null::int, 'never_loaded', 'не загружался')) as s
       (region_code, hours, freshness_code, freshness_name) using (region_code);

drop function pg_temp.h(text, int);
grant usage on schema marts to tsur_official, tsur_analyst;
grant select on all tables in schema marts to tsur_official, tsur_analyst;
