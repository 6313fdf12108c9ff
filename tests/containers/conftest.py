"""The compose file as the specification reads it, and the Dockerfile as text."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
COMPOSE = REPOSITORY / "docker-compose.yml"
PROGRAMS = Path(sys.executable).parent
PASSWORD = "only-for-this-test"


def compose_config(**environment: str) -> subprocess.CompletedProcess[str]:
    """`docker compose config` of all profiles, without an engine and without anybody's `.env`."""
    return subprocess.run(
        [
            *(PROGRAMS / "docker-compose", "--file", COMPOSE, "--env-file", os.devnull),
            *("--profile", "sandbox", "config", "--format", "json"),
        ],
        env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="session")
def compose() -> dict[str, Any]:
    result = compose_config(TSUR_POSTGRES_PASSWORD=PASSWORD)
    assert result.returncode == 0, result.stderr
    configuration: dict[str, Any] = json.loads(result.stdout)
    return configuration


@pytest.fixture(scope="session")
def dockerfile() -> str:
    return (REPOSITORY / "docker" / "Dockerfile").read_text(encoding="utf-8")
