"""Superset follows the checked marts: assets, roles, every chart asked once."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import Asset, dag, task

from stack import pipeline

DOC = """
### Панели Superset

**Что делает.** Приводит наборы данных, диаграммы, панели, роли и правила доступа к состоянию
репозитория и спрашивает каждую диаграмму: кэш прогрет, ошибок нет.

**Что может сломаться и что делать.** `verify` называет диаграмму и текст ошибки: обычно витрина
изменилась, а диаграмма нет. Исправьте YAML в `superset/assets`, выполните `tsur superset sync`.
"""


@dag(
    dag_id="dashboards",
    schedule=[Asset(pipeline.CHECKED_ASSET)],
    catchup=False,
    max_active_runs=1,
    tags=["dashboards", "tier-1"],
    doc_md=DOC,
    default_args={"owner": "dashboards", "retries": 2, "retry_delay": timedelta(seconds=15)},
)
def dashboards() -> None:
    @task
    def synchronise() -> None:
        pipeline.synchronise_superset()

    @task(outlets=[Asset(pipeline.DASHBOARDS_ASSET)])
    def verify() -> None:
        pipeline.verify_superset()

    synchronise() >> verify()


dashboards()
