"""`tsur demo`: the whole line through the real scheduler, from empty to answering dashboards."""

from __future__ import annotations

import time
from datetime import date, timedelta
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from stack import pipeline
from stack.airflow_client import AirflowClient
from stack.runtime import all_services, step
from stack.settings import Settings

CHAIN = ("warehouse", "quality", "dashboards")
# They run by the clock; the demo waits for none of them.
BESIDE = ("freshness", "maintenance")
SANDBOX_DAYS = 731
RUN_SECONDS = 1500
DONE = {"success", "failed"}
# Where nobody watches a bar (a log, a pipe), a line says from time to time how far it is.
TOLD_EVERY_SECONDS = 15


class DemoError(RuntimeError):
    """A DAG did not come through; the message names the task, its log and what to do."""


def run_line(settings: Settings, console: Console) -> None:
    """Load every enabled source and wait until the chain behind it has run to success.

    A home whose line has succeeded already is left as it is.
    """
    client = AirflowClient(settings.airflow_url, settings.credentials.airflow["admin"])
    ingestion = [f"ingest_{source.code}" for source in pipeline.enabled_sources(settings)]
    expected = {*ingestion, *CHAIN, *BESIDE}
    with step(console, f"Airflow: reading {len(expected)} DAGs"):
        _await_dags(client, expected, settings)
    if _is_complete(client):
        console.print("[green]✓[/] the line has run already, nothing is loaded twice")
        return
    parameters = _window(settings)
    for dag_id in (*CHAIN, *BESIDE, *ingestion):
        client.unpause(dag_id)
    for dag_id in ingestion:
        latest = client.latest_run(dag_id)
        if latest is None or latest["state"] == "failed":
            client.trigger(dag_id, parameters)
    if all((client.latest_run(dag_id) or {}).get("state") == "success" for dag_id in ingestion):
        _restart_failed_chain(client)
    _watch(client, [*ingestion, *CHAIN], settings, console)


def _window(settings: Settings) -> dict[str, Any]:
    """The sandbox holds 24 months up to `as_of`; real files have no window."""
    if settings.data is not None:
        return {}
    last: date = settings.as_of["*"].date() + timedelta(days=1)
    first = last - timedelta(days=SANDBOX_DAYS)
    return {"window_from": first.isoformat(), "window_to": last.isoformat()}


def _is_complete(client: AirflowClient) -> bool:
    latest = client.latest_run("dashboards")
    return latest is not None and latest["state"] == "success"


def _restart_failed_chain(client: AirflowClient) -> None:
    """After a repaired failure: the first DAG of the chain that failed starts again."""
    for dag_id in CHAIN:
        latest = client.latest_run(dag_id)
        if latest is None or latest["state"] == "failed":
            client.trigger(dag_id, {})
        if latest is None or latest["state"] != "success":
            return


def _await_dags(client: AirflowClient, expected: set[str], settings: Settings) -> None:
    deadline = time.monotonic() + 180
    missing = set(expected)
    while missing:
        listed = client.dags().keys()
        missing -= {dag_id for dag_id in missing & listed if client.is_readable(dag_id)}
        errors = client.import_errors()
        if errors:
            first = errors[0]
            raise DemoError(f"Airflow cannot read {first['filename']}:\n{first['stack_trace']}")
        if missing and time.monotonic() > deadline:
            log = settings.home / "logs" / "airflow-dag-processor.log"
            raise DemoError(
                f"Airflow has not read these DAGs: {', '.join(sorted(missing))}. See {log}, and "
                "run the command again: nothing is loaded twice."
            )
        if missing:
            time.sleep(1)


def _watch(client: AirflowClient, dag_ids: list[str], settings: Settings, console: Console) -> None:
    """Wait for one successful run of each DAG, with a bar a DAG."""
    started = time.monotonic()
    told = started
    waiting = list(dag_ids)
    notes: dict[str, str] = {}
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description:32}"),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[note]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        bars = {
            dag_id: progress.add_task(dag_id, total=None, note="", start=False)
            for dag_id in dag_ids
        }
        while waiting:
            for dag_id in list(waiting):
                run = client.latest_run(dag_id)
                if run is None:
                    continue
                tasks = client.tasks(dag_id, run["dag_run_id"])
                finished = sum(task["state"] in {"success", "skipped"} for task in tasks)
                notes[dag_id] = f"{run['state']} {finished}/{len(tasks)}"
                progress.start_task(bars[dag_id])
                progress.update(
                    bars[dag_id],
                    completed=finished,
                    total=len(tasks) or None,
                    note=notes[dag_id],
                )
                if run["state"] in DONE:
                    waiting.remove(dag_id)
                    progress.stop_task(bars[dag_id])
                    if run["state"] == "failed":
                        raise _failure(dag_id, run["dag_run_id"], tasks, settings)
                    seconds = time.monotonic() - started
                    console.print(f"[green]✓[/] {dag_id}: {finished} tasks [dim]{seconds:.0f} s[/]")
            for service in all_services(settings):
                if service.process() is None:
                    raise DemoError(f"{service.name} has ended. Its log is {service.log_file}")
            if not waiting:
                break
            if time.monotonic() - started > RUN_SECONDS:
                raise DemoError(
                    f"Still waiting for {', '.join(waiting)} after {RUN_SECONDS} s. "
                    f"Look at {settings.airflow_url}; logs are in {settings.home / 'logs'}"
                )
            if not console.is_terminal and time.monotonic() - told > TOLD_EVERY_SECONDS:
                told = time.monotonic()
                under_way = [name for name in waiting if notes.get(name, "").startswith("running")]
                now = [f"{name} {notes[name]}" for name in under_way]
                if len(now) < len(waiting):
                    now.append(f"{len(waiting) - len(now)} wait for their turn")
                console.print(f"· {told - started:.0f} s: {', '.join(now)}", soft_wrap=True)
            time.sleep(1.5)


def _failure(
    dag_id: str, run_id: str, tasks: list[dict[str, Any]], settings: Settings
) -> DemoError:
    failed = [task for task in tasks if task["state"] == "failed"]
    names = ", ".join(
        task["task_id"] + (f" [{task['map_index']}]" if task["map_index"] >= 0 else "")
        for task in failed
    )
    folder = settings.home / "airflow" / "logs" / f"dag_id={dag_id}" / f"run_id={run_id}"
    return DemoError(
        f"{dag_id} failed at: {names}.\nThe logs of its tasks are in {folder}\n"
        f"Mend the cause and run the command again: what has landed is not loaded twice."
    )
