"""Raw to marts: checks of raw, dbt before enrichment, enrichment, dbt after it."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import Asset, AssetAll, dag, task

from stack import pipeline

DOC = """
### Хранилище: от загруженного к витринам

**Что делает.** Проверяет `raw` (Great Expectations), строит справочники, staging и intermediate
(dbt), обрабатывает новые тексты (spaCy), строит витрины (dbt). Проверки dbt идут сразу за своей
моделью: то, что стоит за непройденной, не строится.

**Что может сломаться и что делать.**
- `check_raw` красная: критическая проверка загруженного не прошла. Откройте отчёт о качестве,
  исправьте источник или его YAML, выполните `tsur replay`, очистите задачу.
- `before_enrichment` или `after_enrichment` красная: последние строки журнала называют модель или
  проверку, текст ошибки PostgreSQL и её SQL; выше в журнале стоит каждый узел с итогом и секундами.
  То же в таблице: `tsur build --last` или `audit.dbt_results`. Исправив причину, очистите задачу;
  повтор безопасен.
- `enrich` красная: повтор продолжит с необработанных текстов.
"""


@dag(
    dag_id="warehouse",
    schedule=AssetAll(
        *(Asset(pipeline.raw_asset(source.code)) for source in pipeline.modelled_sources())
    ),
    catchup=False,
    max_active_runs=1,
    tags=["warehouse", "tier-1"],
    doc_md=DOC,
    default_args={"owner": "data-platform", "retries": 1, "retry_delay": timedelta(seconds=30)},
)
def warehouse() -> None:
    @task(retries=0)
    def check_raw(dag_run=None) -> dict[str, int]:
        return pipeline.check("raw", run_id=dag_run.run_id)

    @task
    def before_enrichment(dag_run=None) -> dict[str, int]:
        return pipeline.build_models("tag:before_enrichment", airflow_run_id=dag_run.run_id)

    @task
    def enrich() -> dict[str, int]:
        return pipeline.enrich_texts()

    @task(outlets=[Asset(pipeline.MARTS_ASSET)])
    def after_enrichment(dag_run=None) -> dict[str, int]:
        return pipeline.build_models("tag:after_enrichment", airflow_run_id=dag_run.run_id)

    check_raw() >> before_enrichment() >> enrich() >> after_enrichment()


warehouse()
