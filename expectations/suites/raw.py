"""Raw in: what the loader promised, for every source table, from its role.

The counts of the loads and the rows themselves are compared by load, so that a table of any age
is covered by one pass over its keys; texts are not read.
"""

from __future__ import annotations

from collections.abc import Iterable

from expectations.check import Check, Severity
from expectations.sources import SourceTable

COLUMNS = (
    "raw_id",
    "record_key",
    "source_code",
    "region_code",
    "native_id",
    "payload",
    "record",
    "payload_hash",
    "observed_at",
    "source_changed_at",
    "load_id",
    "file_sha256",
    "row_number",
    "is_deleted",
)

# Fields of a record that carry a time, by role (docs: records by role).
TIMES = {
    "case": ("received_at", "due_at", "source_due_at", "closed_at"),
    "event": ("occurred_at", "new_due_at"),
    "checked_reply": ("checked_at",),
}

# From this day on an appeal under 59-ФЗ comes by identified systems alone, and not by e-mail
# (547-ФЗ of 28.12.2024; domain 2.1). The words are those of the registers.
NO_EMAIL_SINCE = "2025-03-30"
EMAIL_CHANNEL = "электронн[а-я]* +(почт|адрес)|эл[.] *(почт|адрес)|e-?mail"

QUARANTINE_SHARE = 0.02
OPEN_ATTEMPT_HOURS = 6
# How long a new column of a source is news, and how many characters of names are shown.
NEWS_DAYS = 7
COLUMNS_SHOWN = 300


def literal(text: str) -> str:
    """A string as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"


def raw_checks(sources: Iterable[SourceTable]) -> list[Check]:
    """Every check of the raw stage for these source tables."""
    tables = list(sources)
    checks = [check for source in tables for check in table_checks(source)]
    return [*checks, *load_checks()]


def _rows(table: SourceTable, unexpected: str, joins: str = "") -> str:
    return f"""
        select
            raw_row.raw_id::text as sample_id,
            'запись ' || raw_row.native_id as label,
            coalesce(raw_row.region_code, '—') as group_label,
            coalesce({unexpected}, true) as is_unexpected
        from {{batch}} as raw_row {joins}
    """  # noqa: S608


def _out_of_range(times: Iterable[str]) -> str:
    """True for a row with a time that is no ISO 8601 or lies out of the bounds.

    ISO 8601 sorts as text, and a cast would fail on the first bad value.
    """
    latest = "to_char(raw_row.observed_at + interval '10 years 1 day', 'YYYY-MM-DD')"
    return " or ".join(
        f"coalesce(({value}) !~ '^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}' or ({value}) < '1990' "
        f"or left({value}, 10) > {latest}, false)"
        for value in (f"raw_row.record ->> {literal(name)}" for name in times)
    )


def table_checks(source: SourceTable) -> list[Check]:
    """The checks of one raw table."""
    place = source.relation
    critical = Severity.CRITICAL
    entities = ", ".join(literal(entity) for entity in source.entities)
    checks = [
        Check(
            code="raw_columns",
            severity=critical,
            title="В таблице есть все столбцы договора",
            meaning="Загрузчик и хранилище договорились о наборе столбцов; "
            "без любого из них строки не прочесть.",
            action="Примените миграции: «tsur up» делает это сам; затем повторите проверку.",
            columns=COLUMNS,
            relation=place,
        ),
        Check(
            code="raw_keys_present",
            severity=critical,
            title="У каждой записи есть ключ, источник, регион, номер и загрузка",
            meaning="Запись без ключа нельзя ни найти, ни сверить с источником.",
            action="Найдите загрузку этих записей, исправьте описание источника (natural key) "
            "и загрузите окно заново.",
            column="record_key",
            rows=_rows(
                source,
                "raw_row.record_key is null or nullif(raw_row.source_code, '') is null "
                "or nullif(raw_row.region_code, '') is null "
                "or nullif(raw_row.native_id, '') is null "
                "or raw_row.load_id is null or raw_row.observed_at is null",
            ),
            relation=place,
        ),
        Check(
            code="raw_source_matches",
            severity=critical,
            title="В таблице только записи своего источника",
            meaning="Таблица принадлежит одному источнику; чужая запись попала бы в чужие "
            "показатели.",
            action="Проверьте имя таблицы в описании источника и загрузку этих записей.",
            column="source_code",
            rows=_rows(source, f"raw_row.source_code <> {literal(source.source_code)}"),
            relation=place,
        ),
        Check(
            code="raw_payload_is_object",
            severity=critical,
            title="Содержимое записи — объект JSON",
            meaning="В payload и record должны лежать поля записи; иное не разберёт ни одна "
            "модель.",
            action="Откройте запись по номеру, исправьте клиент источника, загрузите окно заново.",
            column="payload",
            rows=_rows(
                source,
                "jsonb_typeof(raw_row.payload) <> 'object' "
                "or jsonb_typeof(raw_row.record) <> 'object'",
            ),
            relation=place,
        ),
        Check(
            code="raw_hash_present",
            severity=critical,
            title="У каждой версии есть контрольная сумма содержимого",
            meaning="По ней видно, изменилась ли запись; без неё версии множатся или теряются.",
            action="Сообщите разработчику загрузчика: сумма считается до записи в таблицу.",
            column="payload_hash",
            rows=_rows(source, "octet_length(raw_row.payload_hash) <> 32"),
            relation=place,
        ),
        Check(
            code="raw_key_matches_number",
            severity=critical,
            title="Ключ записи вычислен из источника, региона, сущности и номера",
            meaning="Одинаковый номер обязан давать одинаковый ключ, иначе версии одной записи "
            "станут разными обращениями.",
            action="Сравните правило ключа в загрузчике с описанием; пересчитайте ключи миграцией.",
            column="record_key",
            reads=("ops.loads",),
            rows=_rows(
                source,
                "raw_row.record_key <> encode(substring(sha256(convert_to(raw_row.source_code "
                "|| chr(31) || raw_row.region_code || chr(31) || load.entity || chr(31) "
                "|| raw_row.native_id, 'UTF8')) from 1 for 16), 'hex')::uuid",
                "left join ops.loads as load on load.load_id = raw_row.load_id",
            ),
            relation=place,
        ),
        Check(
            code="raw_versions_differ",
            severity=critical,
            title="Новая версия записи отличается от предыдущей",
            meaning="Строка добавляется, только когда содержимое изменилось или запись исчезла; "
            "повтор означает двойную загрузку.",
            action="Найдите две загрузки этих версий: одна из них не увидела другую.",
            column="payload_hash",
            rows="""
                select
                    raw_id::text as sample_id,
                    'запись ' || native_id as label,
                    coalesce(region_code, '—') as group_label,
                    coalesce(
                        payload_hash = lag(payload_hash) over versions
                        and is_deleted = lag(is_deleted) over versions, false
                    ) as is_unexpected
                from {batch}
                window versions as (partition by record_key order by raw_id)
            """,
            relation=place,
        ),
        Check(
            code="raw_load_known",
            severity=critical,
            title="Каждая запись принадлежит законченной загрузке",
            meaning="Строки и отметка о загрузке сохраняются вместе, и у загрузки, которая "
            "закончилась ошибкой, тоже: годные строки остаются. Строка без законченной загрузки "
            "или с отозванной означает, что это нарушено.",
            action="Посмотрите загрузку в журнале; оборванную загрузку повторите, её строк быть "
            "не должно.",
            column="load_id",
            reads=("ops.loads",),
            rows=_rows(
                source,
                "coalesce(load.outcome, '') not in ('success', 'failed') "
                "or load.withdrawn_at is not null "
                "or load.source_code <> raw_row.source_code",
                "left join ops.loads as load on load.load_id = raw_row.load_id",
            ),
            relation=place,
        ),
        Check(
            code="raw_rows_match_loads",
            severity=critical,
            title="Строк в таблице столько, сколько записано в журнале загрузок",
            meaning="Загружено и отмечено исчезнувшими по журналу, с поправкой на отозванные "
            "загрузки, = строк этой загрузки в таблице. Разница значит, что записи потеряны или "
            "добавлены в обход загрузчика.",
            action="Сверьте загрузку с файлом источника и загрузите окно заново.",
            column="load_id",
            reads=("ops.loads", "ops.withdrawal_effects"),
            rows=f"""
                select
                    load.load_id::text as sample_id,
                    'загрузка ' || load.load_id || ': по журналу ' || load.expected
                    || ', в таблице ' || coalesce(landed.row_count, 0) as label,
                    coalesce(load.region_code, '—') as group_label,
                    load.expected <> coalesce(landed.row_count, 0) as is_unexpected
                from (
                    select
                        load_id, source_code, entity, region_code, outcome,
                        rows_landed + rows_tombstoned + coalesce(effects.net, 0) as expected
                    from ops.loads
                    left join (
                        select load_id, sum(rows_given - rows_set_aside) as net
                        from ops.withdrawal_effects group by load_id
                    ) as effects using (load_id)
                ) as load
                left join (
                    select load_id, count(*) as row_count from {{batch}} group by load_id
                ) as landed on landed.load_id = load.load_id
                where
                    load.source_code = {literal(source.source_code)}
                    and load.entity in ({entities})
                    and load.outcome in ('success', 'failed')
            """,  # noqa: S608
            relation=place,
        ),
    ]
    if source.regions:
        codes = ", ".join(literal(code) for code in source.regions)
        checks.append(
            Check(
                code="raw_region_known",
                severity=critical,
                title="Регион записи объявлен в описании источника",
                meaning="По региону выбираются часовой пояс, календарь и правила сроков.",
                action="Добавьте регион в описание источника или исправьте загрузку.",
                column="region_code",
                rows=_rows(source, f"raw_row.region_code not in ({codes})"),
                relation=place,
            )
        )
    times = TIMES.get(source.role, ())
    if times:
        checks.append(
            Check(
                code="raw_dates_in_range",
                severity=critical,
                title="Даты записи лежат между 1990 годом и десятью годами вперёд",
                meaning="Дата вне этих границ — ошибка источника; такая запись должна быть в "
                "карантине, а не в таблице.",
                action="Проверьте правило границ в загрузчике и формат дат в описании источника.",
                column="record",
                rows=_rows(source, _out_of_range(times)),
                relation=place,
            )
        )
    if source.role == "case":
        checks.append(_no_late_email(source))
    checks.append(
        Check(
            code="raw_values_complete",
            severity=Severity.FINDING,
            title="Значения записей прочитаны полностью",
            meaning="У этих записей есть дата без года, которую нечем дополнить, или значение "
            "другого типа; запись загружена без него, а поле названо в record.",
            action="Объявите, когда сделана выгрузка (exported_on), или исправьте описание поля и "
            "загрузите окно заново.",
            column="record",
            rows=_rows(source, "raw_row.record ?| array['incomplete_dates', 'discarded_values']"),
            relation=place,
        )
    )
    return checks


def _no_late_email(source: SourceTable) -> Check:
    """Appeals under 59-ФЗ that came by e-mail when the law no longer knew it: told, and kept."""
    return Check(
        code="raw_email_after_ban",
        severity=Severity.FINDING,
        title="С 30.03.2025 обращения по 59-ФЗ не приходят по электронной почте",
        meaning="С этого дня электронное обращение подаётся через системы с идентификацией "
        "заявителя (547-ФЗ; п. 2.1 описания). Электронное письмо либо не обращение, либо записано "
        "не с тем видом доставки; запись учтена, как её дал источник.",
        action="Передайте номера владельцу реестра: исправить вид доставки или объяснить автору, "
        "как подать обращение.",
        column="record",
        # What the newest version of a record says.
        rows=f"""
            select
                sample_id,
                label,
                group_label,
                is_unexpected
            from (
                select distinct on (record_key)
                    raw_id::text as sample_id,
                    'запись ' || native_id as label,
                    coalesce(region_code, '—') as group_label,
                    is_deleted,
                    coalesce(
                        record ->> 'channel' ~* {literal(EMAIL_CHANNEL)}
                        and left(record ->> 'received_at', 10) >= {literal(NO_EMAIL_SINCE)}, false
                    ) as is_unexpected
                from {{batch}}
                where record ->> 'is_59fz' = 'true' or record ->> 'regime' ~ '59'
                order by record_key, raw_id desc
            ) as newest
            where not is_deleted
        """,  # noqa: S608
        relation=source.relation,
    )


def load_checks() -> list[Check]:
    """The checks of the journal of loads and of the quarantine."""
    place = "ops.loads"
    group = "source_code || ' / ' || entity"
    return [
        Check(
            code="load_identity",
            severity=Severity.CRITICAL,
            title="Прочитано = загружено + без изменений + карантин",
            meaning="Ни одна прочитанная запись не пропала: каждая загружена, не изменилась или "
            "лежит в карантине с причиной.",
            action="Не публикуйте показатели источника. Повторите загрузку; если равенство не "
            "сходится снова, сообщите разработчику загрузчика.",
            column="rows_read",
            rows=f"""
                select
                    load_id::text as sample_id,
                    'загрузка ' || load_id || ': ' || rows_read || ' ≠ ' || rows_landed || ' + '
                    || rows_unchanged || ' + ' || rows_quarantined as label,
                    {group} as group_label,
                    coalesce(
                        rows_read <> rows_landed + rows_unchanged + rows_quarantined, true
                    ) as is_unexpected
                from {{batch}} where outcome in ('success', 'failed')
            """,  # noqa: S608
            relation=place,
        ),
        Check(
            code="quarantine_accounted",
            severity=Severity.CRITICAL,
            title="В карантине столько записей, сколько записано в журнале загрузок",
            meaning="Запись, посчитанная карантинной, обязана лежать в карантине, чтобы её можно "
            "было загрузить после исправления.",
            action="Сверьте ops.quarantine с загрузкой; недостающее загрузите из файла источника.",
            column="rows_quarantined",
            reads=("ops.quarantine",),
            # An entry that comes back in the next load is the same entry: it stands for every load
            # from its first to its last.
            rows="""
                select
                    load.load_id::text as sample_id,
                    'загрузка ' || load.load_id || ': по журналу ' || load.rows_quarantined
                    || ', в карантине ' || held.row_count as label,
                    load.source_code || ' / ' || load.entity as group_label,
                    held.row_count < load.rows_quarantined as is_unexpected
                from {batch} as load
                cross join lateral (
                    select count(*) as row_count
                    from ops.quarantine as entry
                    where
                        entry.source_code = load.source_code
                        and entry.entity = load.entity
                        and entry.region_code = load.region_code
                        and load.load_id between entry.load_id and entry.last_load_id
                ) as held
                where
                    load.outcome = 'success' and load.rows_quarantined > 0
                    and load.withdrawn_at is null
            """,
            relation=place,
        ),
        Check(
            code="quarantine_share",
            severity=Severity.FINDING,
            title=f"В карантине не больше {QUARANTINE_SHARE:.0%} прочитанного".replace("%", " %"),
            meaning="Много отклонённых записей обычно значит, что источник сменил формат.",
            action="Посмотрите причины в разделе «Карантин», исправьте описание источника и "
            "выполните «tsur replay».",
            column="rows_quarantined",
            # The last thirty loads tell today's format from the history.
            rows=f"""
                select
                    max(load_id)::text as sample_id,
                    coalesce(region_code, '—') || ': в карантине ' || sum(rows_quarantined)
                    || ' из ' || sum(rows_read) || ' прочитанных' as label,
                    {group} as group_label,
                    sum(rows_quarantined) > {QUARANTINE_SHARE} * sum(rows_read) as is_unexpected
                from (
                    select
                        *,
                        row_number() over (
                            partition by source_code, entity, region_code order by load_id desc
                        ) as recency
                    from {{batch}}
                    -- A replay reads only what was in quarantine already.
                    where outcome = 'success' and rows_read > 0 and withdrawn_at is null
                    and coalesce(run_id, '') not like 'replay%'
                ) as recent
                where recency <= 30
                group by source_code, entity, region_code
            """,  # noqa: S608
            relation=place,
        ),
        Check(
            code="quarantine_open",
            severity=Severity.FINDING,
            title="В карантине нет записей, ожидающих решения",
            meaning="Эти записи прочитаны, но не попали в показатели; причина указана у каждой.",
            action="Исправьте причину и выполните «tsur replay»; раздел «Карантин» отчёта "
            "называет причины.",
            relation="ops.quarantine",
            column="state",
            rows=f"""
                select
                    quarantine_id::text as sample_id,
                    'запись карантина ' || quarantine_id || ': ' || error_code as label,
                    {group} as group_label,
                    state = 'open' as is_unexpected
                from {{batch}}
            """,  # noqa: S608
        ),
        Check(
            code="load_columns",
            severity=Severity.FINDING,
            title="Состав граф источника не менялся",
            meaning="За последнюю неделю источник прислал графы, которых раньше не было, или в "
            "последней загрузке нет объявленных; что с ними сделано, решает contract в описании.",
            action="Объявите новые графы в описании источника, если они нужны; о пропавших "
            "спросите поставщика и загрузите окно заново.",
            column="unknown_columns",
            rows=f"""
                select
                    max(load_id)::text as sample_id,
                    coalesce(region_code, '—')
                    || coalesce(': новые графы — ' || left(string_agg(
                        name, ', ' order by name
                    ) filter (where is_new), {COLUMNS_SHOWN}), '')
                    || coalesce(': нет граф — ' || max(missing), '') as label,
                    {group} as group_label,
                    bool_or(is_new) or max(missing) is not null as is_unexpected
                from (
                    select
                        source_code, entity, region_code, name,
                        max(load_id) as load_id,
                        max(latest_missing) as missing,
                        coalesce(
                            min(started_at) > first_at
                            and min(started_at) > now() - interval '{NEWS_DAYS} days', false
                        ) and name is not null as is_new
                    from (
                        select
                            *,
                            min(started_at) over one_source as first_at,
                            first_value(found ->> 'missing_columns') over (
                                one_source order by load_id desc
                            ) as latest_missing
                        from {{batch}} where outcome = 'success' and withdrawn_at is null
                        window one_source as (partition by source_code, entity, region_code)
                    ) as load
                    left join lateral unnest(unknown_columns) as listed (name) on true
                    group by source_code, entity, region_code, first_at, name
                ) as columns_seen
                group by source_code, entity, region_code
            """,  # noqa: S608
            relation=place,
        ),
        Check(
            code="load_last_attempt",
            severity=Severity.FINDING,
            title="Последняя попытка загрузки каждого источника удалась",
            meaning="Источник не отвечает или отвечает не тем; показатели стоят на прежних данных.",
            action="Прочитайте ошибку в разделе «Загрузки» и в журнале Airflow; после "
            "исправления перезапустите DAG источника.",
            column="outcome",
            rows=f"""
                select
                    load_id::text as sample_id,
                    'загрузка ' || load_id || case outcome
                        when 'failed' then ': ошибка'
                        when 'interrupted' then ': прервана'
                        when 'running' then ': не закончена'
                        else ': успех'
                    end || coalesce(' ' || error_class, '') as label,
                    {group} as group_label,
                    outcome in ('failed', 'interrupted')
                    or (outcome = 'running'
                        and started_at < now() - interval '{OPEN_ATTEMPT_HOURS} hours')
                        as is_unexpected
                from (
                    select distinct on (source_code, entity, region_code) *
                    from {{batch}} where withdrawn_at is null
                    order by source_code, entity, region_code, load_id desc
                ) as latest
            """,  # noqa: S608
            relation=place,
        ),
    ]
