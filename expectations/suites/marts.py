"""Marts out: what analysts, officials and auditors rely on.

Clauses in the meanings are those of the domain specification, which names the acts behind them.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from expectations.check import Check, Measure, Severity
from expectations.sources import SourceTable
from expectations.suites.raw import literal

STATUSES = ("on_time", "late", "overdue_open", "open", "undefined")
LEDGER_STATES = (
    "in_marts",
    "merged_duplicate",
    "not_a_case",
    "vanished_at_source",
    "deleted_at_source",
)
STATES_IN_APPEALS = ("in_marts", "vanished_at_source", "deleted_at_source")

# Above it the overview by municipality warns (domain 5.6).
UNLOCATED_SHARE = 0.15
UNKNOWN_SHARE = 0.25
VERDICT_MISMATCH_SHARE = 0.01
SILENCE_DAYS = 7

# A Russian number: +7 or 8, then ten digits as people group them. Sequences without that grouping
# (accounts, dates in a row) are not phones.
PHONE = (
    "(?<![0-9])([+]7|8)[ (-]{0,3}"
    "([0-9]{3}[ )-]{0,3}[0-9]{3}|[0-9]{4}[ )-]{0,3}[0-9]{2}|[0-9]{5}[ )-]{0,3}[0-9])"
    "[ -]?[0-9]{2}[ -]?[0-9]{2}(?![0-9])"
)
EMAIL = "[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+([.][A-Za-z0-9-]+)*[.][A-Za-z]{2,}"


def _list(values: Iterable[str]) -> str:
    return ", ".join(literal(value) for value in values)


def _cases(unexpected: str, *, alias: str = "appeal", where: str = "true") -> str:
    """Rows of a table of cases, grouped by source."""
    return f"""
        select
            {alias}.case_id::text as sample_id,
            '№ ' || {alias}.native_id as label,
            {alias}.source_code as group_label,
            coalesce({unexpected}, false) as is_unexpected
        from {{batch}} as {alias} where {where}
    """  # noqa: S608


def mart_checks(sources: Iterable[SourceTable], known_at: datetime | None = None) -> list[Check]:
    """Every check of the marts stage.

    `known_at`: when the marts began to be built. Records of loads that ended later cannot be in
    them, so they are reported apart and stop nothing.
    """
    return [
        *appeal_checks(),
        *ledger_checks([source for source in sources if source.role == "case"], known_at),
        *deadline_checks(),
        *workload_checks(),
        *freshness_checks(),
        *rating_checks(),
        *personal_data_checks(),
        *source_findings(),
    ]


def appeal_checks() -> list[Check]:
    place = "marts.fct_appeals"
    return [
        Check(
            code="appeal_unique",
            severity=Severity.CRITICAL,
            title="Каждое обращение учтено один раз",
            meaning="Повтор ключа удваивает обращение во всех показателях.",
            action="Не публикуйте показатели; найдите соединение, которое размножает строки, "
            "пересоберите витрины.",
            column="case_id",
            rows="""
                select
                    coalesce(case_id::text, '—') as sample_id,
                    '№ ' || native_id as label,
                    source_code as group_label,
                    case_id is null or count(*) over (partition by case_id) > 1 as is_unexpected
                from {batch}
            """,
            relation=place,
        ),
        Check(
            code="appeal_region_known",
            severity=Severity.CRITICAL,
            title="Регион обращения есть в справочнике регионов",
            meaning="Без региона нет ни часового пояса, ни правил сроков, ни доступа.",
            action="Добавьте регион в справочник или исправьте описание источника.",
            column="region_code",
            reads=("marts.dim_regions",),
            rows=_cases(
                "not exists (select 1 from marts.dim_regions as region "
                "where region.region_code = appeal.region_code)"
            ),
            relation=place,
        ),
    ]


def ledger_checks(cases: list[SourceTable], known_at: datetime | None) -> list[Check]:
    place = "marts.mart_case_ledger"
    late = "false" if known_at is None else f"finished_at > {literal(known_at.isoformat())}"
    # What was withdrawn while the marts were built is in them still.
    withdrawn = "false" if known_at is None else f"set_aside_at > {literal(known_at.isoformat())}"
    raw_keys = " union all ".join(
        f"select record_key, native_id, source_code, load_id from {source.relation}"  # noqa: S608
        for source in cases
    )
    checks = [
        Check(
            code="ledger_states_known",
            severity=Severity.CRITICAL,
            title="Судьба каждого обращения названа и объяснена",
            meaning="Реестр говорит, где оказалось обращение: в витринах, объединено с другим "
            "или не считается и почему.",
            action="Исправьте модель реестра: состояние — из перечня, причина — не пустая.",
            column="ledger_state",
            rows=f"""
                select
                    record_key::text as sample_id,
                    '№ ' || native_id as label,
                    source_code as group_label,
                    coalesce(ledger_state not in ({_list(LEDGER_STATES)}), true)
                    or coalesce(trim(reason), '') = '' as is_unexpected
                from {{batch}}
            """,  # noqa: S608
            relation=place,
        ),
        Check(
            code="ledger_equals_appeals",
            severity=Severity.CRITICAL,
            title="Обращений столько, сколько показывает реестр",
            meaning="Обращения витрины = состояния «в витринах», «исчезло в источнике» и «удалено "
            "в источнике» реестра, обращение к обращению.",
            action="Не публикуйте показатели; пересоберите витрины. Если не сходится снова, "
            "реестр и витрина читают разные данные.",
            column="case_id",
            reads=("marts.fct_appeals",),
            rows=f"""
                select
                    coalesce(ledger.case_id, appeal.case_id)::text as sample_id,
                    case when appeal.case_id is null then 'нет в витрине' else 'нет в реестре' end
                    || ': № ' || coalesce(ledger.native_id, appeal.native_id) as label,
                    coalesce(ledger.source_code, appeal.source_code) as group_label,
                    ledger.case_id is null or appeal.case_id is null as is_unexpected
                from (
                    select * from {{batch}}
                    where ledger_state in ({_list(STATES_IN_APPEALS)})
                ) as ledger
                full join marts.fct_appeals as appeal on appeal.case_id = ledger.case_id
            """,  # noqa: S608
            relation=place,
        ),
        Check(
            code="ledger_duplicate_survivor",
            severity=Severity.CRITICAL,
            title="Объединённое обращение ведёт к обращению, которое осталось",
            meaning="Дубль из другого канала скрыт, только если главное обращение есть в витринах.",
            action="Проверьте правило дублей: главное обращение не должно само быть дублем.",
            column="duplicate_of_case_id",
            reads=("marts.fct_appeals",),
            rows="""
                select
                    ledger.record_key::text as sample_id,
                    '№ ' || ledger.native_id as label,
                    ledger.source_code as group_label,
                    survivor.case_id is null as is_unexpected
                from {batch} as ledger
                left join marts.fct_appeals as survivor
                    on survivor.case_id = ledger.duplicate_of_case_id
                where ledger.ledger_state = 'merged_duplicate'
            """,
            relation=place,
        ),
    ]
    if not cases:
        return checks
    relations = tuple(source.relation for source in cases)
    # What the warehouse does not know as a source it leaves in `raw`: a finding of its own.
    modelled = "source_code in (select source_code from reference.data_sources)"
    # A source that is no longer read keeps its cases: they are held against its table only while
    # the table is among those that are checked.
    source_codes = _list(sorted({source.source_code for source in cases}))
    first_seen = f"""
        select
            record_key,
            min(native_id) as native_id,
            min(source_code) as source_code,
            bool_and(coalesce({late}, false)) as is_late
        from ({raw_keys}) as landed
        left join (select load_id, finished_at from ops.loads) as load using (load_id)
        where {modelled}
        group by record_key
    """  # noqa: S608
    checks += [
        Check(
            code="ledger_covers_raw",
            severity=Severity.CRITICAL,
            title="Каждое загруженное обращение есть в реестре ровно один раз",
            meaning="Ни одно обращение не пропало по дороге от источника к витринам и ни одно "
            "не взялось ниоткуда.",
            action="Не публикуйте показатели; найдите фильтр, который теряет эти записи, "
            "пересоберите витрины.",
            column="record_key",
            reads=(*relations, "ops.loads", "reference.data_sources"),
            rows=f"""
                select
                    coalesce(landed.record_key, ledger.record_key)::text as sample_id,
                    case
                        when ledger.record_key is null then 'нет в реестре'
                        when landed.record_key is null then 'нет среди загруженных'
                        else 'повторяется в реестре'
                    end || ': № ' || coalesce(landed.native_id, ledger.native_id) as label,
                    coalesce(landed.source_code, ledger.source_code) as group_label,
                    landed.record_key is null or ledger.row_count is distinct from 1
                        as is_unexpected
                from ({first_seen}) as landed
                full join (
                    select
                        record_key,
                        min(native_id) as native_id,
                        min(source_code) as source_code,
                        count(*) as row_count
                    from {{batch}}
                    where source_code in ({source_codes}) and {modelled}
                    group by record_key
                ) as ledger on ledger.record_key = landed.record_key
                where
                    not coalesce(landed.is_late and ledger.record_key is null, false)
                    and not (
                        landed.record_key is null and exists (
                            select 1 from ops.withdrawn_rows as gone
                            where gone.record_key = ledger.record_key and {withdrawn}
                        )
                    )
            """,  # noqa: S608
            relation=place,
        ),
        Check(
            code="ledger_behind_raw",
            severity=Severity.FINDING,
            title="Витрины знают обо всех загруженных обращениях",
            meaning="Пока витрины строились, закончилась ещё одна загрузка; её обращения войдут "
            "в следующую сборку.",
            action="Дождитесь следующей сборки витрин. Если находка держится сутки, проверьте, "
            "запускается ли она.",
            column="record_key",
            reads=(*relations, "ops.loads", "reference.data_sources"),
            rows=f"""
                select
                    landed.record_key::text as sample_id,
                    '№ ' || landed.native_id as label,
                    landed.source_code as group_label,
                    ledger.record_key is null as is_unexpected
                from ({first_seen}) as landed
                left join {{batch}} as ledger on ledger.record_key = landed.record_key
                where landed.is_late
            """,  # noqa: S608
            relation=place,
        ),
        Check(
            code="source_without_model",
            severity=Severity.FINDING,
            title="Витрины берут обращения каждого загружаемого источника",
            meaning="Источника нет в справочнике источников хранилища: его записи загружены и "
            "хранятся, но ни в один показатель не входят.",
            action="Добавьте источник в справочник `data_sources` и модель его записей или "
            "отключите его загрузку.",
            column="source_code",
            reads=(*relations, "reference.data_sources"),
            rows=f"""
                select
                    record_key::text as sample_id,
                    '№ ' || min(native_id) as label,
                    min(source_code) as group_label,
                    not bool_or({modelled}) as is_unexpected
                from ({raw_keys}) as landed
                group by record_key
            """,  # noqa: S608
            relation=place,
        ),
    ]
    return checks


def deadline_checks() -> list[Check]:
    place = "marts.fct_deadlines"
    mart = "marts.mart_deadline_compliance"
    alias = "deadline"
    return [
        Check(
            code="deadline_unique",
            severity=Severity.CRITICAL,
            title="Срок учтён один раз для обращения и цикла",
            meaning="Повторное рассмотрение — новый цикл; две строки одного цикла удвоили бы срок.",
            action="Найдите в модели сроков соединение, которое размножает строки.",
            column="cycle_no",
            rows="""
                select
                    coalesce(case_id::text, '—') as sample_id,
                    '№ ' || native_id || ', цикл ' || coalesce(cycle_no::text, '—') as label,
                    source_code as group_label,
                    case_id is null or cycle_no is null
                    or count(*) over (partition by case_id, cycle_no) > 1 as is_unexpected
                from {batch}
            """,
            relation=place,
        ),
        Check(
            code="deadline_has_appeal",
            severity=Severity.CRITICAL,
            title="У каждого срока есть обращение",
            meaning="Срок без обращения считался бы в показателе, но его нельзя проверить.",
            action="Пересоберите витрины; проверьте, что дубли исключены и из сроков.",
            column="case_id",
            reads=("marts.fct_appeals",),
            rows=_cases(
                "not exists (select 1 from marts.fct_appeals as appeal "
                "where appeal.case_id = deadline.case_id)",
                alias=alias,
            ),
            relation=place,
        ),
        Check(
            code="deadline_status_known",
            severity=Severity.CRITICAL,
            title="Состояние срока — одно из пяти",
            meaning="Вовремя, с опозданием, просрочено и открыто, открыто, не определено: других "
            "состояний витрины не знают.",
            action="Исправьте модель сроков.",
            column="deadline_status",
            rows=_cases(
                f"coalesce(deadline.deadline_status not in ({_list(STATUSES)}), true)", alias=alias
            ),
            relation=place,
        ),
        Check(
            code="deadline_status_follows_times",
            severity=Severity.CRITICAL,
            title="Состояние срока следует из дат",
            meaning="Вовремя: закрыто не позже срока. С опозданием: позже. Просрочено и открыто: "
            "срок прошёл, ответа нет на дату расчёта. Открыто: срок не прошёл. Иное — не "
            "определено.",
            action="Не публикуйте показатель сроков; сравните даты этих обращений с правилом.",
            column="deadline_status",
            rows=_cases(
                """case deadline.deadline_status
                    when 'on_time' then not (deadline.closed_at <= deadline.due_at)
                        or deadline.closed_at is null or deadline.due_at is null
                    when 'late' then not (deadline.closed_at > deadline.due_at)
                        or deadline.closed_at is null or deadline.due_at is null
                    when 'overdue_open' then not (deadline.due_at < deadline.as_of)
                        or deadline.due_at is null
                        or coalesce(deadline.closed_at <= deadline.as_of, false)
                    when 'open' then not (deadline.due_at >= deadline.as_of)
                        or deadline.due_at is null
                        or coalesce(deadline.closed_at <= deadline.as_of, false)
                    else false
                end""",
                alias=alias,
            ),
            relation=place,
        ),
        Check(
            code="compliance_adds_up",
            severity=Severity.CRITICAL,
            title="Соблюдение сроков: слагаемые равны целому",
            meaning="Наступивших сроков = вовремя + с опозданием + просрочено и открыто; циклов = "
            "наступивших + открытых + отвеченных до ещё не наступившего срока + неопределённых.",
            action="Исправьте витрину сроков; не публикуйте её.",
            column="due_cohort",
            rows="""
                select
                    concat_ws(' / ', region_code, month_date, block_code, body_code) as sample_id,
                    coalesce(to_char(month_date, 'MM.YYYY'), 'без срока') || ', '
                    || coalesce(body_name, 'орган не указан') as label,
                    region_code as group_label,
                    due_cohort is distinct from on_time + late + overdue_open
                    or cycles is distinct from due_cohort + open + answered_not_yet_due + undefined
                        as is_unexpected
                from {batch}
            """,
            relation=mart,
        ),
        Check(
            code="compliance_equals_deadlines",
            severity=Severity.CRITICAL,
            title="Показатель сроков собран из всех сроков",
            meaning="Сумма по витрине равна числу строк сроков того же региона и состояния: "
            "разрез по органам и муниципалитетам ничего не потерял. Отозванные, отклонённые и "
            "удалённые обращения срока не имеют.",
            action="Найдите разрез, в котором строки пропадают (обычно пустой орган или блок).",
            column="due_cohort",
            reads=("marts.fct_deadlines", "marts.fct_appeals"),
            rows="""
                select
                    coalesce(computed.region_code, shown.region_code) || ' / '
                    || coalesce(computed.status, shown.status) as sample_id,
                    'сроков ' || coalesce(computed.row_count, 0) || ', в витрине '
                    || coalesce(shown.row_count, 0) as label,
                    coalesce(computed.region_code, shown.region_code) as group_label,
                    coalesce(computed.row_count, 0) <> coalesce(shown.row_count, 0)
                        as is_unexpected
                from (
                    select region_code, deadline_status as status, count(*) as row_count
                    from marts.fct_deadlines as deadline
                    where
                        deadline_status in ('on_time', 'late', 'overdue_open')
                        and (due_at <= as_of or deadline_status <> 'on_time')
                        and exclusion_code is null
                        and is_opened
                        and not exists (
                            select 1 from marts.fct_appeals as appeal
                            where appeal.case_id = deadline.case_id and appeal.is_deleted
                        )
                    group by region_code, deadline_status
                ) as computed
                full join (
                    select mart.region_code, part.status, sum(part.row_count) as row_count
                    from {batch} as mart
                    cross join lateral (
                        values ('on_time', mart.on_time), ('late', mart.late),
                        ('overdue_open', mart.overdue_open)
                    ) as part (status, row_count)
                    group by mart.region_code, part.status
                ) as shown
                    on shown.region_code = computed.region_code and shown.status = computed.status
            """,
            relation=mart,
        ),
        _versions("compliance_versions", "mart_deadline_compliance", "month_date"),
    ]


def _versions(code: str, table: str, period: str) -> Check:
    titles = {
        "mart_deadline_compliance": "Показатель сроков",
        "mart_block_workload": "Занятость блоков",
        "mart_agency_rating": "Рейтинг органов",
    }
    return Check(
        code=code,
        severity=Severity.CRITICAL,
        title=f"{titles[table]}: у каждой строки есть дата расчёта и версии правил",
        meaning="Без них показатель нельзя пересчитать и проверить.",
        action="Пересоберите витрины; проверьте переменную as_of и версии в справочниках.",
        relation=f"marts.{table}",
        column="as_of",
        rows=f"""
            select
                concat_ws(' / ', region_code, {period}) as sample_id,
                null::text as label,
                region_code as group_label,
                as_of is null or metric_version is null or config_version is null as is_unexpected
            from {{batch}}
        """,  # noqa: S608
    )


def freshness_checks() -> list[Check]:
    """Did the data come, and not less of them than usual: what the mart says of each load."""
    place = "marts.mart_source_freshness"
    sample = "concat_ws(' / ', source_code, entity_code, region_code) as sample_id"
    name = "source_name || ', ' || region_name || ' (' || record_kind_name || '): '"
    return [
        Check(
            code="load_freshness",
            severity=Severity.FINDING,
            title="Источники загружаются не реже обещанного",
            meaning="Последняя удачная загрузка старше срока, объявленного в описании источника. "
            "Источник, который ещё не загружался, ждут с того дня, когда его включили.",
            action="Проверьте расписание DAG источника и ответ поставщика.",
            column="last_loaded_at",
            rows=f"""
                select
                    {sample},
                    {name} || freshness_name || coalesce(
                        ', последняя удачная ' || to_char(
                            last_loaded_at at time zone 'Europe/Moscow', 'DD.MM.YYYY HH24:MI'
                        ) || ' МСК', ''
                    ) as label,
                    source_code || ' / ' || entity_code as group_label,
                    is_late as is_unexpected
                from {{batch}}
            """,  # noqa: S608
            relation=place,
        ),
        Check(
            code="load_volume",
            severity=Severity.FINDING,
            title="Объём загрузки не ниже обычного для таких дней",
            meaning="Прочитано меньше 70 % медианы по таким же дням (рабочим, выходным, "
            "праздничным): часть записей могла не дойти.",
            action="Спросите владельца источника; когда данные вернутся, загрузите дни заново: "
            "«tsur backfill».",
            column="rows_read",
            rows=f"""
                select
                    {sample},
                    {name} || rows_read || ' за ' || to_char(load_date, 'DD.MM.YYYY')
                    || ' при обычных ' || round(usual_rows) as label,
                    source_code || ' / ' || entity_code as group_label,
                    volume_code = 'below_usual' as is_unexpected
                from {{batch}}
            """,  # noqa: S608
            relation=place,
        ),
    ]


def workload_checks() -> list[Check]:
    place = "marts.mart_block_workload"
    return [
        Check(
            code="workload_counts_possible",
            severity=Severity.CRITICAL,
            title="Занятость блоков: числа возможны и согласованы",
            meaning="Поступило, закрыто и открыто не бывают отрицательными; прирост = поступило + "
            "возвращено − закрыто; блок учтён в неделе один раз.",
            action="Исправьте витрину занятости; не публикуйте её.",
            column="open_cases",
            rows="""
                select
                    concat_ws(' / ', region_code, week_start, block_code) as sample_id,
                    'неделя с ' || to_char(week_start, 'DD.MM.YYYY') as label,
                    region_code as group_label,
                    coalesce(
                        intake < 0 or closures < 0 or open_cases < 0
                        or net_flow <> intake + reopened - closures, true
                    ) or count(*) over (partition by region_code, week_start, block_code) > 1
                        as is_unexpected
                from {batch}
            """,
            relation=place,
        ),
        Check(
            code="workload_not_invented",
            severity=Severity.CRITICAL,
            title="Занятость без графика сотрудников не вычисляется",
            meaning="Нет графика — нет доли занятости, и сказано почему (п. 5.8 описания).",
            action="Исправьте витрину: пустое значение и причина вместо нуля.",
            column="occupancy_share",
            rows="""
                select
                    concat_ws(' / ', region_code, week_start, block_code) as sample_id,
                    'неделя с ' || to_char(week_start, 'DD.MM.YYYY') as label,
                    region_code as group_label,
                    is_computed is distinct from (occupancy_share is not null)
                    or (not is_computed and coalesce(trim(not_computed_reason), '') = '')
                        as is_unexpected
                from {batch}
            """,
            relation=place,
        ),
        _versions("workload_versions", "mart_block_workload", "week_start"),
    ]


def rating_checks() -> list[Check]:
    place = "marts.mart_agency_rating"
    peers = "period_kind, period_start, region_code, body_kind_code"
    return [
        Check(
            code="rating_rank_dense",
            severity=Severity.CRITICAL,
            title="Места рейтинга идут подряд по убыванию балла",
            meaning="Равные баллы делят место, следующее место — без пропуска; сравниваются "
            "органы одного вида. Органы, где мало данных, места не имеют.",
            action="Не публикуйте рейтинг; исправьте правило мест.",
            column="rank",
            rows=f"""
                select
                    concat_ws(' / ', region_code, period_kind, period_start, body_code)
                        as sample_id,
                    body_name || ', с ' || to_char(period_start, 'DD.MM.YYYY') as label,
                    region_code as group_label,
                    case
                        when rating_state <> 'ranked' then rank is not null
                        else rank is distinct from dense_rank() over (
                            partition by {peers}, rating_state order by score desc
                        )
                    end as is_unexpected
                from {{batch}}
            """,  # noqa: S608
            relation=place,
        ),
        Check(
            code="rating_score_decomposes",
            severity=Severity.CRITICAL,
            title="Балл рейтинга раскладывается на составляющие",
            meaning="Балл равен сумме вкладов составляющих (до 0,1) и лежит от 0 до 100: каждому "
            "органу можно объяснить его место.",
            action="Не публикуйте рейтинг; сверьте составляющие этих органов.",
            column="score",
            reads=("marts.mart_agency_rating_dimensions",),
            rows="""
                select
                    concat_ws(' / ', rating.region_code, rating.period_kind, rating.period_start,
                        rating.body_code) as sample_id,
                    rating.body_name || ': балл ' || rating.score || ', сумма '
                    || coalesce(round(parts.contribution, 1)::text, 'нет') as label,
                    rating.region_code as group_label,
                    coalesce(
                        rating.score not between 0 and 100
                        or abs(rating.score - parts.contribution) > 0.1, true
                    ) as is_unexpected
                from {batch} as rating
                left join (
                    select
                        period_kind, period_start, region_code, body_code,
                        sum(contribution)::numeric as contribution
                    from marts.mart_agency_rating_dimensions
                    group by period_kind, period_start, region_code, body_code
                ) as parts
                    on parts.period_kind = rating.period_kind
                    and parts.period_start = rating.period_start
                    and parts.region_code = rating.region_code
                    and parts.body_code = rating.body_code
                where rating.rating_state = 'ranked'
            """,
            relation=place,
        ),
        _versions("rating_versions", "mart_agency_rating", "period_start"),
    ]


def personal_data_checks() -> list[Check]:
    place = "marts.fct_appeals"
    action = (
        "Витрины не показываются, пока это не исправлено. Передайте номера обращений "
        "разработчику обезличивания, добавьте случай в его тесты, повторите обработку текстов."
    )
    return [
        Check(
            code="masked_no_phone",
            severity=Severity.CRITICAL,
            title="В обезличенных текстах нет телефонов",
            meaning="Телефон жителя не должен быть виден аналитику (152-ФЗ; 59-ФЗ, ст. 6).",
            action=action,
            column="text_masked",
            rows=_cases(f"appeal.text_masked ~ {literal(PHONE)}"),
            relation=place,
        ),
        Check(
            code="masked_no_email",
            severity=Severity.CRITICAL,
            title="В обезличенных текстах нет адресов электронной почты",
            meaning="Адрес почты жителя не должен быть виден аналитику (152-ФЗ; 59-ФЗ, ст. 6).",
            action=action,
            column="text_masked",
            rows=_cases(f"appeal.text_masked ~ {literal(EMAIL)}"),
            relation=place,
        ),
    ]


def source_findings() -> list[Check]:
    """What the sources say about themselves that cannot all be true: reported, never repaired."""
    appeals = "marts.fct_appeals"
    deadlines = "marts.fct_deadlines"
    finding = Severity.FINDING
    return [
        Check(
            code="verdict_mismatch",
            severity=finding,
            title="Вывод источника о сроке совпадает с вычисленным",
            meaning="Источник сам пишет, соблюдён ли срок. Расхождение не исправляется: "
            "показываются обе оценки (п. 5.1 описания).",
            action="Сравните даты этих обращений в источнике и правило срока; расхождение больше "
            f"{VERDICT_MISMATCH_SHARE:.0%} обсудите с владельцем источника.".replace("%", " %"),
            column="source_verdict",
            measure=Measure.SHARE,
            tolerance=VERDICT_MISMATCH_SHARE,
            rows="""
                select
                    case_id::text as sample_id,
                    '№ ' || native_id || ': источник «' || source_verdict
                    || '», вычислено «' || deadline_status || '»' as label,
                    source_code as group_label,
                    is_verdict_mismatch as is_unexpected
                from {batch}
                where is_verdict_mismatch is not null
            """,
            relation=deadlines,
        ),
        Check(
            code="verdict_unreadable",
            severity=finding,
            title="Вывод источника о сроке записан известными словами",
            meaning="Источник пишет вывод словом, которого нет в справочнике: сравнить его с "
            "вычисленным нельзя.",
            action="Добавьте слово в справочник verdict_labels.",
            column="source_verdict",
            reads=("reference.verdict_labels",),
            rows=_cases(
                "not exists (select 1 from reference.verdict_labels as verdict "
                "where verdict.source_code = deadline.source_code "
                "and verdict.verdict = deadline.source_verdict)",
                alias="deadline",
                where="trim(deadline.source_verdict) <> ''",
            ),
            relation=deadlines,
        ),
        Check(
            code="verdict_empty",
            severity=finding,
            title="У обращений со сроком источник указал вывод о сроке",
            meaning="Источник назвал срок, а графу о его соблюдении оставил пустой. Обращения "
            "учтены по датам.",
            action="Передайте номера владельцу источника; показатель от этого не меняется.",
            column="source_verdict",
            rows=_cases(
                "trim(deadline.source_verdict) = ''",
                alias="deadline",
                where="deadline.source_due_at is not null and deadline.source_verdict is not null",
            ),
            relation=deadlines,
        ),
        Check(
            code="negative_duration",
            severity=finding,
            title="Обращение закрыто не раньше, чем поступило",
            meaning="По датам источника ответ дан до поступления: одна из дат неверна. Обращение "
            "учтено с датами источника.",
            action="Передайте номера владельцу источника для исправления дат.",
            column="closed_at",
            rows=_cases(
                "appeal.closed_at < appeal.received_at",
                where="appeal.closed_at is not null and appeal.received_at is not null",
            ),
            relation=appeals,
        ),
        Check(
            code="date_missing",
            severity=finding,
            title="У обращения есть дата поступления",
            meaning="Обращение без даты учтено, но не входит ни в один период.",
            action="Если у источника даты есть, добавьте их в выгрузку; иначе помните, что "
            "периодические показатели источник не включают.",
            column="received_at",
            rows=_cases("appeal.received_at is null"),
            relation=appeals,
        ),
        Check(
            code="closed_without_date",
            severity=finding,
            title="У закрытого обращения есть дата закрытия",
            meaning="Источник говорит, что работа закончена, но не когда: соблюдение срока "
            "определить нельзя.",
            action="Попросите владельца источника выгружать дату закрытия.",
            column="closed_at",
            rows=_cases("appeal.closed_at is null", where="appeal.is_closed"),
            relation=appeals,
        ),
        Check(
            code="unlocated_share",
            severity=finding,
            title="Муниципалитет известен у большинства обращений региона",
            meaning=f"Без места больше {UNLOCATED_SHARE:.0%} обращений: сравнение муниципалитетов "
            "ненадёжно (п. 5.6 описания).".replace("%", " %"),
            action="Проверьте, выгружает ли источник адрес; дополните справочник мест.",
            column="municipality_code",
            measure=Measure.SHARE,
            tolerance=UNLOCATED_SHARE,
            rows=_cases("appeal.municipality_code is null").replace(
                "appeal.source_code as group_label", "appeal.region_code as group_label"
            ),
            relation=appeals,
        ),
        Check(
            code="unknown_block_share",
            severity=finding,
            title="Отраслевой блок определён у большинства обращений источника",
            meaning=f"Блок не определён больше чем у {UNKNOWN_SHARE:.0%} обращений источника: "
            "занятость блоков по нему неполна.".replace("%", " %"),
            action="Дополните соответствие тем и блоков в справочнике; дообучите модель.",
            column="block_code",
            measure=Measure.SHARE,
            tolerance=UNKNOWN_SHARE,
            rows=_cases("coalesce(appeal.block_code, 'unknown') = 'unknown'"),
            relation=appeals,
        ),
        Check(
            code="text_not_enriched",
            severity=finding,
            title="Каждый текст обработан текущей моделью",
            meaning="Необработанный текст не показывается в витринах и не участвует в определении "
            "блока и места.",
            action="Запустите «tsur enrich» и пересоберите витрины.",
            relation="intermediate.int_texts",
            column="text_hash",
            reads=("nlp.enrichments", "nlp.models"),
            rows="""
                select
                    texts.text_hash as sample_id,
                    null::text as label,
                    texts.region_code as group_label,
                    not exists (
                        select 1 from nlp.enrichments as enrichment
                        inner join nlp.models as model
                            on model.model_version = enrichment.model_version and model.is_current
                        where enrichment.text_hash = texts.text_hash
                    ) as is_unexpected
                from {batch} as texts
            """,
        ),
        Check(
            code="correction_without_effect",
            severity=finding,
            title="Каждое исправление оператора применено",
            meaning="Строка реестра исправлений не читается: обращения с таким номером, блока или "
            "муниципального образования нет. Обращение осталось, каким было.",
            action="Исправьте строку в реестре corrections и загрузите его; если название верно, "
            "дополните справочник блоков или мест.",
            relation="intermediate.int_corrections",
            column="problem_name",
            rows="""
                select
                    correction.record_key::text as sample_id,
                    '№ ' || correction.case_native_id || ': ' || correction.problem_name as label,
                    correction.region_code as group_label,
                    correction.problem_name is not null as is_unexpected
                from {batch} as correction
            """,
        ),
        Check(
            code="source_silent",
            severity=finding,
            title="Источник присылает новые обращения",
            meaning=f"За {SILENCE_DAYS} дней перед датой расчёта от источника нет обращений: "
            "это перерыв в данных, а не ноль обращений.",
            action="Проверьте, работает ли источник и полна ли выгрузка; за перерыв показатель "
            "не публикуйте.",
            column="received_at",
            reads=("marts.dim_regions",),
            rows=f"""
                select
                    source_code || ' / ' || region_code as sample_id,
                    region_code || ': последнее обращение '
                    || to_char(max(received_at), 'DD.MM.YYYY') as label,
                    source_code as group_label,
                    max(received_at) < max(regions.as_of) - interval '{SILENCE_DAYS} days'
                        as is_unexpected
                from {{batch}}
                inner join marts.dim_regions as regions using (region_code)
                where is_received
                group by source_code, region_code
            """,  # noqa: S608
            relation=appeals,
        ),
    ]
