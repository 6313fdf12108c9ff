"""Old logs and run metadata are pruned, so that a home does not grow for ever."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import CronTriggerTimetable, dag, task

from stack import pipeline

DOC = """
### Уборка

**Что делает.** Удаляет журналы и метаданные запусков старше `TSUR_LOG_DAYS` дней. Загрузки,
карантин и итоги проверок не трогает: они нужны аудиторам.

**Что может сломаться и что делать.** Нет прав на папку журналов: проверьте владельца `TSUR_HOME`.
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

    prune()


maintenance()
