"""The demo waits for Airflow: what is listed but not yet written down is not there."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests
import responses

from stack.airflow_client import AirflowClient
from stack.credentials import Login
from stack.demo import DemoError, _await_dags
from stack.settings import Settings

URL = "http://127.0.0.1:18080"
DAGS = f"{URL}/api/v2/dags"


@pytest.fixture
def client() -> AirflowClient:
    responses.post(f"{URL}/auth/token", json={"access_token": "token"})
    responses.get(f"{URL}/api/v2/importErrors", json={"import_errors": []})
    responses.get(DAGS, json={"dags": [{"dag_id": "ingest_pos"}]})
    return AirflowClient(URL, Login(username="admin", password="password"))


@responses.activate
def test_the_demo_waits_until_a_listed_dag_can_be_asked_for_its_runs(
    client: AirflowClient, tmp_path: Path
) -> None:
    runs = f"{DAGS}/ingest_pos/dagRuns"
    responses.get(runs, status=404)
    responses.get(runs, json={"dag_runs": []})

    _await_dags(client, {"ingest_pos"}, Settings(home=tmp_path))

    assert sum(runs in str(call.request.url) for call in responses.calls) == 2


@responses.activate
def test_another_error_of_airflow_is_told(client: AirflowClient, tmp_path: Path) -> None:
    responses.get(f"{DAGS}/ingest_pos/dagRuns", status=403)

    with pytest.raises(requests.HTTPError, match="403"):
        _await_dags(client, {"ingest_pos"}, Settings(home=tmp_path))


@responses.activate
def test_a_dag_that_airflow_cannot_read_ends_the_demo_with_its_error(
    client: AirflowClient, tmp_path: Path
) -> None:
    responses.replace(
        "GET",
        f"{URL}/api/v2/importErrors",
        json={"import_errors": [{"filename": "ingest.py", "stack_trace": "KeyError: 'pos'"}]},
    )
    responses.get(f"{DAGS}/ingest_pos/dagRuns", status=404)

    with pytest.raises(DemoError, match=r"ingest\.py"):
        _await_dags(client, {"ingest_pos"}, Settings(home=tmp_path))
