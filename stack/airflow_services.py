"""Airflow on one machine: configuration by variables, metadata, logins, its four services."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from stack.database import Warehouse
from stack.services import Service, ServiceError
from stack.settings import REPOSITORY, Settings, environment_of


def warehouse_of(settings: Settings) -> Warehouse:
    """The warehouse of this home: the embedded server, or the one that `database_url` names."""
    credentials = settings.credentials
    admin_url = (
        settings.database_url.get_secret_value()
        if settings.database_url
        else f"postgresql://postgres:{credentials.postgres_admin}"
        f"@127.0.0.1:{settings.postgres_port}/postgres"
    )
    return Warehouse(admin_url, credentials.database_roles)


def airflow_environment(settings: Settings) -> dict[str, str]:
    """Variables for every Airflow process. Holds secrets: for a child's environment only."""
    credentials = settings.credentials
    metadata = warehouse_of(settings).application_url("airflow").split("://", 1)[1]
    home = settings.home / "airflow"
    options = {
        "CORE__EXECUTOR": "LocalExecutor",
        "CORE__PARALLELISM": "4",
        "CORE__MAX_ACTIVE_TASKS_PER_DAG": "4",
        "CORE__DAGS_FOLDER": str(REPOSITORY / "dags"),
        "CORE__LOAD_EXAMPLES": "False",
        "CORE__DEFAULT_TIMEZONE": "Europe/Moscow",
        "CORE__AUTH_MANAGER": (
            "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
        ),
        "CORE__FERNET_KEY": credentials.airflow_fernet_key,
        "CORE__EXECUTION_API_SERVER_URL": f"{settings.airflow_url}/execution/",
        "DATABASE__SQL_ALCHEMY_CONN": f"postgresql+psycopg2://{metadata}",
        "DATABASE__SQL_ALCHEMY_CONN_ASYNC": f"postgresql+asyncpg://{metadata}",
        "API__HOST": "127.0.0.1",
        "API__PORT": str(settings.airflow_port),
        "API__WORKERS": "1",
        "API__BASE_URL": settings.airflow_url,
        "API__SECRET_KEY": credentials.airflow_session_key,
        "API_AUTH__JWT_SECRET": credentials.airflow_jwt_secret,
        "TRIGGERER__CAPACITY": "100",
        "DAG_PROCESSOR__REFRESH_INTERVAL": "15",
        "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "60",
        "DAG_PROCESSOR__PARSING_PROCESSES": "1",
        "SCHEDULER__ENABLE_HEALTH_CHECK": "False",
        "USAGE_DATA_COLLECTION__ENABLED": "False",
        "FAB__UPDATE_FAB_PERMS": "True",
    }
    return {
        **environment_of(settings),
        "AIRFLOW_HOME": str(home),
        **{f"AIRFLOW__{key}": value for key, value in options.items()},
        **dbt_environment(settings),
        **source_environment(settings),
        "PYTHONPATH": str(REPOSITORY),
        "PYTHONUNBUFFERED": "1",
        # Enrichment runs a process a core; threads inside each would only wait for one another.
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "DO_NOT_TRACK": "1",
        "NO_PROXY": "*",
    }


def dbt_environment(settings: Settings) -> dict[str, str]:
    """What `dbt_project/profiles.yml` reads, and where dbt writes."""
    url = warehouse_of(settings).url("transformer")
    return dbt_environment_of(url, settings.dbt_target, settings.home / "logs" / "dbt")


def dbt_environment_of(url: str, target: Path, logs: Path) -> dict[str, str]:
    """The same for a warehouse of no home; `url` is the transformer's."""
    parts = urlsplit(url)
    return {
        "TSUR_PG_HOST": parts.hostname or "127.0.0.1",
        "TSUR_PG_PORT": str(parts.port or 5432),
        "TSUR_PG_DATABASE": parts.path.lstrip("/"),
        "TSUR_PG_USER": unquote(parts.username or ""),
        "TSUR_PG_PASSWORD": unquote(parts.password or ""),
        "DBT_TARGET_PATH": str(target),
        "DBT_LOG_PATH": str(logs),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "False",
        # Unit tests prove the SQL, not the data: they run in `make test`, not every night.
        "DBT_EXCLUDE_RESOURCE_TYPES": "unit_test",
        # A test over models of both groups runs with the later one, when all of them are built.
        "DBT_INDIRECT_SELECTION": "buildable",
        # dbt tells a model of another one by their code and knows nothing of the macros in it.
        "TSUR_DBT_MACROS": _macros_sha256(),
        # The same order of tests and models, with a hundredth of the edges to find and to keep.
        "DBT_USE_FAST_TEST_EDGES": "True",
        "DO_NOT_TRACK": "1",
    }


def _macros_sha256() -> str:
    """Of the macros and the settings of the project: with others everything is built anew."""
    project = REPOSITORY / "dbt_project"
    content = hashlib.sha256((project / "dbt_project.yml").read_bytes())
    for path in sorted((project / "macros").glob("**/*.sql")):
        content.update(path.name.encode() + b"\0" + path.read_bytes())
    return content.hexdigest()


def source_environment(settings: Settings) -> dict[str, str]:
    """The variables that the YAMLs under `ingestion/sources` name; they enable the sources.

    A home with a data folder reads real files and recorded answers, any other the sandbox. What
    the environment names already is stronger: real endpoints and tokens, another container. Named
    and empty, a variable switches its sources off.
    """
    token = settings.credentials.sandbox_token
    if settings.data is not None:
        variables = {
            "TSUR_DATA": str(settings.data),
            "TSUR_VK_RECORDED_URL": f"http://127.0.0.1:{settings.recorded_vk_port}",
            "TSUR_VK_TOKEN": token,
        }
    else:
        variables = {
            "TSUR_SANDBOX_URL": f"http://127.0.0.1:{settings.sandbox_port}",
            "TSUR_POS_TOKEN": token,
            "TSUR_VK_TOKEN": token,
        }
        if settings.sandbox_full:
            variables |= {
                "TSUR_FULL_SANDBOX_URL": variables["TSUR_SANDBOX_URL"],
                "TSUR_OK_APPLICATION_KEY": "CSANDBOXKEY",
                "TSUR_OK_TOKEN": token,
                "TSUR_OK_SECRET": token,
            }
    return {name: os.environ.get(name, value) for name, value in variables.items()}


def airflow_command(settings: Settings, *arguments: str) -> list[str]:
    return [str(settings.platform_python), "-m", "airflow", *arguments]


def airflow_services(settings: Settings) -> list[Service]:
    """api-server, scheduler, dag-processor, triggerer."""
    environment = airflow_environment(settings)

    def service(*command: str, **options: Any) -> Service:
        return Service(
            name=f"airflow-{command[0]}",
            home=settings.home,
            command=airflow_command(settings, *command),
            environment=environment,
            folder=settings.home,
            **options,
        )

    # The log servers of scheduler and triggerer listen on every interface; on one machine the
    # api-server reads the files itself.
    return [
        service(
            "api-server",
            ports={settings.airflow_port: "TSUR_AIRFLOW_PORT"},
            health_url=f"{settings.airflow_url}/api/v2/monitor/health",
        ),
        service("scheduler", "--skip-serve-logs"),
        service("dag-processor"),
        service("triggerer", "--skip-serve-logs"),
    ]


def run_logged(command: list[str], environment: dict[str, str], log: Path, what: str) -> None:
    """Run a step to its end; its output goes to `log`. Raises with the log's last lines."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        result = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=log.parent,
            check=False,
        )
    if result.returncode != 0:
        lines = log.read_text(errors="replace").splitlines()[-12:]
        raise ServiceError(
            f"{what} failed with exit code {result.returncode}. Its log is {log}; "
            "the last lines:\n" + "\n".join(lines)
        )


def prepare_airflow(settings: Settings) -> None:
    """Migrate the metadata database and set the logins. Repeating it changes nothing."""
    environment = airflow_environment(settings)
    (settings.home / "airflow").mkdir(parents=True, exist_ok=True)
    logs = settings.home / "logs"
    run_logged(
        airflow_command(settings, "db", "migrate"),
        environment,
        logs / "airflow-migrate.log",
        "Migrating Airflow's metadata",
    )
    run_logged(
        [str(settings.platform_python), "-m", "stack.airflow_logins"],
        environment,
        logs / "airflow-logins.log",
        "Setting Airflow's logins",
    )
