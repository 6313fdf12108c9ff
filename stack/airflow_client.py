"""Airflow's public REST API (v2), as far as the demo and the tests need it."""

from __future__ import annotations

from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from stack.credentials import Login


class AirflowClient:
    """A logged-in session on an api-server. Errors are `requests.HTTPError`."""

    def __init__(self, base_url: str, login: Login) -> None:
        self._base = base_url.rstrip("/")
        self._login = login
        self._session = requests.Session()
        self._session.trust_env = False
        retry = Retry(total=5, backoff_factor=0.5, status_forcelist=(500, 502, 503))
        self._session.mount("http://", HTTPAdapter(max_retries=retry))

    def _log_in(self) -> None:
        answer = self._session.post(
            f"{self._base}/auth/token", json=self._login.model_dump(), timeout=30
        )
        answer.raise_for_status()
        self._session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def _request(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        for attempt in (1, 2):
            if "Authorization" not in self._session.headers:
                self._log_in()
            answer = self._session.request(
                method, f"{self._base}/api/v2/{path}", timeout=30, **options
            )
            if answer.status_code != requests.codes.unauthorized or attempt == 2:
                break
            del self._session.headers["Authorization"]
        answer.raise_for_status()
        content: dict[str, Any] = answer.json() if answer.content else {}
        return content

    def dags(self) -> dict[str, dict[str, Any]]:
        """DAG id to what the api-server knows of it."""
        found = self._request("GET", "dags", params={"limit": 100, "exclude_stale": "true"})
        return {dag["dag_id"]: dag for dag in found["dags"]}

    def is_readable(self, dag_id: str) -> bool:
        """Whether the DAG can be run and asked for its runs. Airflow lists a DAG a moment before it
        has written down what the DAG is made of; until then it answers 404."""
        try:
            self.latest_run(dag_id)
        except requests.HTTPError as error:
            if error.response.status_code == requests.codes.not_found:
                return False
            raise
        return True

    def import_errors(self) -> list[dict[str, Any]]:
        found = self._request("GET", "importErrors", params={"limit": 20})
        errors: list[dict[str, Any]] = found["import_errors"]
        return errors

    def unpause(self, dag_id: str) -> None:
        self._request("PATCH", f"dags/{dag_id}", json={"is_paused": False})

    def trigger(self, dag_id: str, parameters: dict[str, Any]) -> str:
        """Start a run; returns its id."""
        run = self._request(
            "POST", f"dags/{dag_id}/dagRuns", json={"logical_date": None, "conf": parameters}
        )
        run_id: str = run["dag_run_id"]
        return run_id

    def latest_run(self, dag_id: str) -> dict[str, Any] | None:
        found = self._request(
            "GET", f"dags/{dag_id}/dagRuns", params={"limit": 1, "order_by": "-run_after"}
        )["dag_runs"]
        return found[0] if found else None

    def tasks(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """The task instances of a run, mapped ones apart."""
        found = self._request(
            "GET", f"dags/{dag_id}/dagRuns/{run_id}/taskInstances", params={"limit": 500}
        )
        tasks: list[dict[str, Any]] = found["task_instances"]
        return tasks
