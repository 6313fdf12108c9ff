"""Checks of the marts and the report; what fails here never reaches a dashboard."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import Asset, dag, task

from stack import pipeline

DOC = """
### Качество витрин

**Что делает.** Проверяет витрины (Great Expectations), пишет итоги в `audit`, рисует отчёт,
обновляет словарь данных.

**Что может сломаться и что делать.** Красная `check_marts` — критическая проверка не прошла:
панели остаются на вчерашних настройках и предупреждают о дате. Откройте отчёт о качестве: в нём
правило, число нарушений, примеры и что делать. Исправив причину, очистите задачу.
"""


@dag(
    dag_id="quality",
    schedule=[Asset(pipeline.MARTS_ASSET)],
    catchup=False,
    max_active_runs=1,
    tags=["quality", "tier-1"],
    doc_md=DOC,
    default_args={"owner": "data-quality", "retries": 1, "retry_delay": timedelta(seconds=30)},
)
def quality() -> None:
    @task(retries=0)
    def check_marts(dag_run=None) -> dict[str, int]:
        return pipeline.check("marts", run_id=dag_run.run_id)

    @task(trigger_rule="all_done")
    def draw_report() -> str:
        return str(pipeline.draw_report())

    @task
    def write_dictionary() -> str:
        return str(pipeline.write_dictionary())

    @task(outlets=[Asset(pipeline.CHECKED_ASSET)])
    def publish() -> str:
        return pipeline.CHECKED_ASSET

    checked = check_marts()
    # The report is drawn after a failed check too: it says which one failed.
    report = draw_report()
    checked >> report
    [checked, report, write_dictionary()] >> publish()


quality()
