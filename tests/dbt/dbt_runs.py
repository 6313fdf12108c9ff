"""Where dbt runs in this folder, and what the fixtures hand out."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from stack.database import Warehouse

Dbt = Callable[..., subprocess.CompletedProcess[str]]
Query = Callable[[str], list[tuple[Any, ...]]]

PROJECT = Path(__file__).resolve().parents[2] / "dbt_project"
# One value for every call: with other variables dbt would read the whole project again.
VARIABLES = "{as_of: {'*': '2026-03-01T06:00:00+03:00', boston: '2016-01-13T08:00:00-05:00'}}"
# Every warehouse that dbt builds in has this name: it stands in each node that dbt has read, so
# that with another one it would read the whole project again.
DATABASE = "warehouse_of_dbt"


def dbt_environment(warehouse: Warehouse, dbt_folder: Path) -> dict[str, str]:
    """What dbt reads: the project, the warehouse as the transformer, where artefacts go."""
    parts = urlsplit(warehouse.url("transformer"))
    return {
        **os.environ,
        "TSUR_PG_HOST": parts.hostname or "",
        "TSUR_PG_PORT": str(parts.port),
        "TSUR_PG_DATABASE": warehouse.database,
        "TSUR_PG_USER": parts.username or "",
        "TSUR_PG_PASSWORD": warehouse.passwords["transformer"],
        "DBT_TARGET_PATH": str(dbt_folder / "target"),
        "DBT_LOG_PATH": str(dbt_folder / "logs"),
        "DBT_PROJECT_DIR": str(PROJECT),
        "DBT_PROFILES_DIR": str(PROJECT),
        "DBT_USE_FAST_TEST_EDGES": "True",
    }
