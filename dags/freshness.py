"""Has every source come in time? Asked by the clock, as late sources start nothing."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import Asset, AssetOrTimeSchedule, CronTriggerTimetable, dag, task

from stack import pipeline

DOC = """
### Пришли ли данные

**Что делает.** Каждый час и после каждой сборки витрин смотрит, не старше ли последняя удачная
загрузка каждого включённого источника срока из его описания (`freshness.error_hours`). То же видно
на панели «Утренний обзор» и в `marts.mart_source_freshness`.

**Что может сломаться и что делать.** Красная `source_freshness` называет источник, регион и
владельца: посмотрите DAG источника, затем спросите владельца (`tsur source list`). Когда источник
загрузится, следующий запуск станет зелёным сам.
"""


@dag(
    dag_id="freshness",
    schedule=AssetOrTimeSchedule(
        timetable=CronTriggerTimetable(
            "50 * * * *", timezone="Europe/Moscow", run_immediately=timedelta(0)
        ),
        assets=[Asset(pipeline.MARTS_ASSET)],
    ),
    catchup=False,
    max_active_runs=1,
    tags=["quality", "tier-1"],
    doc_md=DOC,
    default_args={"owner": "data-quality", "retries": 1, "retry_delay": timedelta(seconds=30)},
)
def freshness() -> None:
    @task
    def source_freshness() -> dict[str, int]:
        return pipeline.source_freshness()

    source_freshness()


freshness()
