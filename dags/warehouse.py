"""Raw to marts: checks of raw, dbt before enrichment, enrichment, dbt after it."""

from __future__ import annotations

from datetime import timedelta

import airflow  # noqa: F401  (before cosmos: it reads Airflow's configuration when imported)
from airflow.sdk import Asset, AssetAll, dag, task
from cosmos import DbtTaskGroup, ExecutionConfig, ProfileConfig, ProjectConfig, RenderConfig
from cosmos.constants import (
    ExecutionMode,
    InvocationMode,
    LoadMode,
    SeedRenderingBehavior,
    TestBehavior,
)

from stack import pipeline

DOC = """
### Хранилище: от загруженного к витринам

**Что делает.** Проверяет `raw` (Great Expectations), строит staging и intermediate (dbt),
обрабатывает новые тексты (spaCy), строит витрины (dbt).

**Что может сломаться и что делать.**
- `check_raw` красная: критическая проверка загруженного не прошла. Откройте отчёт о качестве,
  исправьте источник или его YAML, выполните `tsur replay`, очистите задачу.
- модель красная: в журнале задачи стоит имя модели и текст ошибки PostgreSQL; повтор безопасен.
- `enrich` красная: повтор продолжит с необработанных текстов.
"""

PROFILE = ProfileConfig(
    profile_name="tsur",
    target_name="warehouse",
    profiles_yml_filepath=pipeline.DBT_PROJECT / "profiles.yml",
)
PROJECT = ProjectConfig(
    dbt_project_path=pipeline.DBT_PROJECT,
    manifest_path=pipeline.dbt_manifest(),
    install_dbt_deps=False,
)
EXECUTION = ExecutionConfig(
    execution_mode=ExecutionMode.WATCHER, invocation_mode=InvocationMode.DBT_RUNNER
)


def dbt_group(group_id: str, tag: str) -> DbtTaskGroup:
    """The models of one tag as one dbt run, each model a task."""
    return DbtTaskGroup(
        group_id=group_id,
        project_config=PROJECT,
        profile_config=PROFILE,
        execution_config=EXECUTION,
        render_config=RenderConfig(
            load_method=LoadMode.DBT_MANIFEST,
            select=[f"tag:{tag}"],
            test_behavior=TestBehavior.AFTER_ALL,
            # The one dbt run loads the seeds; a task for each would only watch it.
            seed_rendering_behavior=SeedRenderingBehavior.NONE,
            emit_datasets=False,
        ),
        operator_args={
            "vars": pipeline.dbt_variables(),
            "install_deps": False,
            # One dbt run builds them all; a task that watches its model for seconds in its slot
            # costs less than one that is put aside and started again.
            "deferrable": False,
            "poke_interval": 2,
        },
        # Without retries a cleared run reads the old failure again.
        default_args={"retries": 2, "retry_delay": timedelta(seconds=10)},
    )


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
    def enrich() -> dict[str, int]:
        return pipeline.enrich_texts()

    @task(outlets=[Asset(pipeline.MARTS_ASSET)])
    def publish() -> str:
        return pipeline.MARTS_ASSET

    checked = check_raw()
    before = dbt_group("before_enrichment", "before_enrichment")
    after = dbt_group("after_enrichment", "after_enrichment")
    checked >> before >> enrich() >> after >> publish()


warehouse()
