"""One DAG per enabled YAML under `ingestion/sources`; it maps over the source's regions."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import Asset, CronTriggerTimetable, Param, dag, get_parsing_context, task

from stack import pipeline


def build(source: pipeline.Source) -> None:
    """The DAG `ingest_<source>`: one task a region, then the asset that the warehouse waits for."""

    @dag(
        dag_id=f"ingest_{source.code}",
        # A home that is started in the middle of a day waits for the next tick: the first load,
        # of the whole history, is asked for with a window.
        schedule=source.schedule
        and CronTriggerTimetable(
            source.schedule, timezone="Europe/Moscow", run_immediately=timedelta(0)
        ),
        catchup=False,
        max_active_runs=1,
        tags=["ingestion", f"tier-{source.tier}"],
        doc_md=pipeline.ingestion_page(source),
        params={
            "window_from": Param(None, type=["null", "string"], description="YYYY-MM-DD, included"),
            "window_to": Param(None, type=["null", "string"], description="YYYY-MM-DD, excluded"),
        },
        default_args={
            "owner": source.owner,
            "retries": 2,
            "retry_delay": timedelta(seconds=30),
            "retry_exponential_backoff": True,
            "execution_timeout": timedelta(hours=2),
        },
    )
    def ingestion() -> None:
        @task(map_index_template="{{ region }}", max_active_tis_per_dagrun=2)
        def load(region: str, dag_run=None, params=None) -> dict[str, int]:
            from airflow.sdk import get_current_context

            get_current_context()["region"] = region
            window = pipeline.window_of_run(source, dag_run, params)
            return pipeline.ingest_source(
                source, region=region, window=window, run_id=dag_run.run_id
            )

        @task(outlets=[Asset(pipeline.raw_asset(source.code))], trigger_rule="all_success")
        def publish(counts: list[dict[str, int]]) -> dict[str, int]:
            return pipeline.sum_counts(counts)

        publish(load.expand(region=[region.code for region in source.regions]))

    ingestion()


# A task's process needs its own DAG only.
wanted = get_parsing_context().dag_id
for enabled in pipeline.enabled_sources():
    if wanted in (None, f"ingest_{enabled.code}"):
        build(enabled)
