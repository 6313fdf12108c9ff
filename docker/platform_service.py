"""The entry point of the platform's containers: one role of the stack, in the foreground.

The environment of every role is the one that `tsur up` gives it on one machine; here only
addresses differ. The administrator's password of the database is the only secret that comes from
outside; all others are made by `init` in the home volume.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from urllib.parse import quote

from stack import pipeline, runtime
from stack.airflow_services import airflow_command, airflow_environment, prepare_airflow
from stack.credentials import write_secret
from stack.settings import Settings, get_settings
from stack.superset_services import run_superset_step, superset_environment

ROLES = ("init", "airflow", "pages", "sandbox")


def name_database() -> None:
    """Make TSUR_DATABASE_URL of the server's name and the administrator's password."""
    password = os.environ.pop("TSUR_POSTGRES_PASSWORD", "")
    if not password:
        raise SystemExit("TSUR_POSTGRES_PASSWORD is empty: set it in .env.")
    server = os.environ["TSUR_POSTGRES_SERVER"]
    os.environ["TSUR_DATABASE_URL"] = f"postgresql://postgres:{quote(password, safe='')}@{server}"


def initialise() -> None:
    """Everything that `tsur up` prepares before it starts services; again it changes nothing."""
    settings = runtime.decide(get_settings())
    settings.pages_folder.mkdir(parents=True, exist_ok=True)
    pipeline.prepare_warehouse(settings)
    pipeline.run_dbt(settings, "parse")
    prepare_airflow(settings)
    run_superset_step(settings, "sync")
    hand_over(settings)


def hand_over(settings: Settings) -> None:
    """Give Superset and the sandbox what they need to know, and nothing of the rest."""
    names = ("TSUR_SUPERSET_SECRET_KEY", "TSUR_SUPERSET_DATABASE_URL")
    environment = superset_environment(settings)
    write_secret(
        settings.home / "superset" / "environment.json",
        json.dumps({name: environment[name] for name in names}),
    )
    folder = settings.home / "sandbox"
    folder.mkdir(parents=True, exist_ok=True)
    write_secret(folder / "token", settings.credentials.sandbox_token)
    if "*" in settings.as_of:
        write_secret(folder / "arguments.json", json.dumps(runtime.sandbox_arguments(settings)))


def run_airflow(arguments: list[str]) -> None:
    """Become an Airflow service that listens to the other containers."""
    settings = get_settings()
    environment = airflow_environment(settings) | {
        "AIRFLOW__API__HOST": "0.0.0.0",  # noqa: S104  (the container's own network)
        "AIRFLOW__API__PORT": "8080",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": os.environ["TSUR_EXECUTION_API_URL"],
    }
    environment["PYTHONPATH"] = os.environ["PYTHONPATH"]
    command = airflow_command(settings, *arguments)
    os.execve(command[0], command, environment)  # noqa: S606


def serve_pages() -> None:
    """Become the web server of the quality report and the data dictionary."""
    folder = Path(os.environ["TSUR_HOME"]) / "pages"
    command = [sys.executable, "-m", "http.server", "8090", "--directory", str(folder)]
    os.execv(command[0], command)  # noqa: S606


def serve_sandbox() -> None:
    """Become the sandbox sources, with the seed and the moment that `init` has kept."""
    folder = Path(os.environ["TSUR_HOME"]) / "sandbox"
    arguments = json.loads((folder / "arguments.json").read_text(encoding="utf-8"))
    command = [
        *(sys.executable, "-m", "ingestion.sandbox", "serve"),
        *("--host", "0.0.0.0", "--port", "8031"),  # noqa: S104
        *("--token-file", str(folder / "token")),
        *arguments,
    ]
    os.execv(command[0], command)  # noqa: S606


def main(arguments: list[str]) -> None:
    role, *rest = arguments or ["?"]
    if role not in ROLES:
        raise SystemExit(f"'{role}' is no role of this image; it knows {', '.join(ROLES)}.")
    if role in ("init", "airflow"):
        name_database()
    if role == "init":
        initialise()
    elif role == "airflow":
        run_airflow(rest)
    elif role == "pages":
        serve_pages()
    else:
        serve_sandbox()


if __name__ == "__main__":
    main(sys.argv[1:])
