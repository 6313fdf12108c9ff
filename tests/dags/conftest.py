"""Airflow reads its configuration when it is imported: a home of its own for these tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from stack.settings import REPOSITORY

SANDBOX = {
    "TSUR_SANDBOX_URL": "http://127.0.0.1:1",
    "TSUR_POS_TOKEN": "token",
    "TSUR_VK_TOKEN": "token",
}
DUMP = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
bag = DagBag(sys.argv[1])
loaded = sorted({name.split(".")[0] for name in sys.modules})
def describe(task):
    return {
        "owner": task.owner, "retries": task.retries,
        "downstream": sorted(task.downstream_task_ids),
        "outlets": [getattr(outlet, "uri", "") for outlet in task.outlets],
        "is_mapped": task.is_mapped if hasattr(task, "is_mapped") else False,
        "trigger_rule": getattr(task.trigger_rule, "value", str(task.trigger_rule)),
    }
def uris(condition):
    if hasattr(condition, "uri"):
        return [condition.uri]
    return [uri for one in getattr(condition, "objects", []) for uri in uris(one)]
def assets(timetable):
    return sorted(uris(getattr(timetable, "asset_condition", None)))
def clock(timetable):
    return getattr(getattr(timetable, "timetable", timetable), "expression", "")
print("RESULT" + json.dumps({
    "errors": {str(key): value for key, value in bag.import_errors.items()},
    "modules": loaded,
    "dags": {
        dag_id: {
            "tags": sorted(dag.tags), "doc_md": dag.doc_md or "", "catchup": dag.catchup,
            "max_active_runs": dag.max_active_runs, "assets": assets(dag.timetable),
            "clock": clock(dag.timetable),
            "tasks": {task.task_id: describe(task) for task in dag.tasks},
        }
        for dag_id, dag in bag.dags.items()
    },
}))
"""


@pytest.fixture(scope="session")
def bag() -> dict:
    """The DAGs as Airflow reads them in a home of the sandbox: `dags`, `errors`, `modules`."""
    home = Path(tempfile.mkdtemp(prefix="tsur-dags-"))
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("TSUR_")},
        "TSUR_HOME": str(home),
        "AIRFLOW_HOME": str(home / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "PYTHONPATH": str(REPOSITORY),
        **SANDBOX,
    }
    result = _run([sys.executable, "-c", DUMP, str(REPOSITORY / "dags")], environment)
    line = next(line for line in result.stdout.splitlines() if line.startswith("RESULT"))
    return json.loads(line.removeprefix("RESULT"))


def _run(command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    result = subprocess.run(
        command, env=environment, check=False, capture_output=True, text=True, cwd=REPOSITORY
    )
    assert result.returncode == 0, (
        f"{command[:3]}\n{result.stdout[-3000:]}\n{result.stderr[-3000:]}"
    )
    return result
