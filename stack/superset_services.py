"""Superset in its own environment: its variables, its server, its steps."""

from __future__ import annotations

import os

from stack.airflow_services import run_logged, warehouse_of
from stack.services import Service
from stack.settings import REPOSITORY, Settings

FOLDER = REPOSITORY / "superset"


def superset_environment(settings: Settings) -> dict[str, str]:
    """Variables for Superset's processes. Holds secrets: for a child's environment only.

    The repository's root is never on its path: the folder `superset` would shadow the package.
    """
    warehouse = warehouse_of(settings)
    return {
        **{key: value for key, value in os.environ.items() if not key.startswith("PYTHON")},
        "PYTHONPATH": str(FOLDER),
        "SUPERSET_CONFIG_PATH": str(FOLDER / "superset_config.py"),
        "SUPERSET_HOME": str(settings.home / "superset"),
        "TSUR_SUPERSET_SECRET_KEY": settings.credentials.superset_secret_key,
        "TSUR_SUPERSET_DATABASE_URL": warehouse.application_url("superset"),
        "TSUR_SUPERSET_PORT": str(settings.superset_port),
        "TSUR_SUPERSET_OFFICIAL_DATABASE_URL": warehouse.url("official"),
        "TSUR_SUPERSET_ANALYST_DATABASE_URL": warehouse.url("analyst"),
        "TSUR_SUPERSET_LOGINS": str(settings.home / "secrets" / "superset_logins.json"),
        "TSUR_SUPERSET_CACHE_DIR": str(settings.home / "superset" / "cache"),
        "TSUR_SUPERSET_LOG_DAYS": str(settings.log_days),
        "TSUR_DBT_MANIFEST": str(settings.dbt_target / "manifest.json"),
        "DO_NOT_TRACK": "1",
    }


def superset_service(settings: Settings) -> Service:
    (settings.home / "superset").mkdir(parents=True, exist_ok=True)
    return Service(
        name="superset",
        home=settings.home,
        command=[
            *(str(settings.superset_python), "-m", "gunicorn"),
            *("--config", str(FOLDER / "gunicorn.conf.py")),
        ],
        environment=superset_environment(settings),
        folder=settings.home / "superset",
        ports={settings.superset_port: "TSUR_SUPERSET_PORT"},
        health_url=f"{settings.superset_url}/health",
    )


def run_superset_step(settings: Settings, step: str) -> None:
    """Run `superset/tsur_superset/<step>.py` to its end; raises with the log's last lines."""
    (settings.home / "superset").mkdir(parents=True, exist_ok=True)
    run_logged(
        [str(settings.superset_python), "-m", f"tsur_superset.{step}"],
        superset_environment(settings),
        settings.home / "logs" / f"superset-{step}.log",
        f"Superset: {step}",
    )
