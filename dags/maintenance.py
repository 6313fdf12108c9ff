"""Old logs and run metadata are pruned; what may be kept for a time only is erased after it."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import CronTriggerTimetable, dag, task

from stack import pipeline

DOC = """
### Уборка

**Что делает.** Удаляет журналы, метаданные запусков и строки `audit.dbt_results` старше
`TSUR_LOG_DAYS` дней. Если заданы сроки хранения (`TSUR_TEXT_RETENTION_DAYS`,
`TSUR_QUARANTINE_RETENTION_DAYS`, `TSUR_VAULT_RETENTION_DAYS`), стирает тексты, байты карантина и
личные данные старше срока; след остаётся в `ops.erasures`, числа витрин не меняются. Загрузки и
итоги проверок качества не трогает: они нужны аудиторам.

**Что может сломаться и что делать.** Нет прав на папку журналов: проверьте владельца `TSUR_HOME`.
Стирание оборвалось: запустите задачу ещё раз, она продолжит.
"""


@dag(
    dag_id="maintenance",
    schedule=CronTriggerTimetable(
        "30 3 * * *", timezone="Europe/Moscow", run_immediately=timedelta(0)
    ),
    catchup=False,
    max_active_runs=1,
    tags=["maintenance", "tier-3"],
    doc_md=DOC,
    default_args={"owner": "data-platform", "retries": 1, "retry_delay": timedelta(minutes=5)},
)
def maintenance() -> None:
    @task
    def prune() -> dict[str, int]:
        return pipeline.prune()

    @task
    def apply_retention() -> dict[str, int]:
        return pipeline.apply_retention()

    prune()
    apply_retention()


maintenance()
