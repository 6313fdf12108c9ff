"""The images are built from the repository's locks and entered through the platform's commands."""

from __future__ import annotations

import fnmatch
import http.server
import importlib.util
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from sqlalchemy.engine import make_url

from stack.database import Warehouse
from tests.containers.conftest import REPOSITORY

DOCKER = REPOSITORY / "docker"


def load(name: str) -> ModuleType:
    """A file of `docker/`, which is no package."""
    specification = importlib.util.spec_from_file_location(name, DOCKER / f"{name}.py")
    assert specification
    assert specification.loader
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_packages_come_from_the_locks_with_their_hashes(dockerfile: str) -> None:
    installs = re.findall(r"pip install (.+)", dockerfile)
    assert len(installs) == 2
    for install in installs:
        assert "--require-hashes --no-deps --requirement /tmp/lock.txt" in install
    locks = re.findall(r"COPY (requirements/\S+)", dockerfile)
    assert locks == ["requirements/platform.txt", "requirements/superset.txt"]
    for lock in locks:
        assert "--hash=sha256:" in (REPOSITORY / lock).read_text(encoding="utf-8")


def test_no_package_version_is_written_beside_the_locks(dockerfile: str) -> None:
    assert re.findall(r"\w==\d", dockerfile) == []


def test_no_index_address_stands_in_the_build() -> None:
    for path in sorted(DOCKER.iterdir()):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"index-url|https?://(?!127\.0\.0\.1)[a-z0-9.-]+\.[a-z]{2,}", text), (
            path
        )


def test_the_base_image_is_pinned_and_is_a_python_that_the_project_supports(
    dockerfile: str,
) -> None:
    images = re.findall(r"PYTHON_IMAGE=python:(\d+)\.(\d+)\.(\d+)-slim-bookworm", dockerfile)
    assert [(int(major), int(minor)) for major, minor, _ in images] == [(3, 11)]
    stages = set(re.findall(r" AS (\S+)", dockerfile))
    for source in re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE):
        assert source == "${PYTHON_IMAGE}" or source in stages


def test_every_image_ends_as_an_unprivileged_user(dockerfile: str) -> None:
    for target in ("superset", "platform"):
        stage = dockerfile.split(f" AS {target}\n", 1)[1].split("\nFROM ", 1)[0]
        assert re.findall(r"^USER (\S+)", stage, re.MULTILINE) == ["tsur"]
        assert "uid 10001" in dockerfile


def test_what_is_copied_exists_and_reaches_the_builder(dockerfile: str) -> None:
    rules = (DOCKER / "Dockerfile.dockerignore").read_text().split("\n")
    allowed = [rule[1:] for rule in rules if rule.startswith("!")]
    for line in re.findall(r"^COPY (?!--from)(.+)", dockerfile, re.MULTILINE):
        for path in line.split()[:-1]:
            assert (REPOSITORY / path).exists(), path
            assert any(fnmatch.fnmatch(path, f"{rule}*") for rule in allowed), path


def test_the_builder_gets_neither_homes_nor_secrets_nor_history() -> None:
    rules = (DOCKER / "Dockerfile.dockerignore").read_text().split("\n")
    assert "*" in rules
    assert not any(rule.startswith(("!.env", "!.git", "!.tsur", "!tests")) for rule in rules)


def test_the_image_of_superset_holds_no_code_of_the_platform(dockerfile: str) -> None:
    stage = dockerfile.split(" AS superset\n", 1)[1].split("\nFROM ", 1)[0]
    copied = re.findall(r"^COPY (?:--from=\S+ )?(\S+)", stage, re.MULTILINE)
    assert copied == ["/opt/tsur/env/superset", "superset", "docker/superset_web.py"]


def test_an_unknown_role_is_refused_with_the_ones_that_exist() -> None:
    result = subprocess.run(
        [sys.executable, DOCKER / "platform_service.py", "scheduler"],
        env={"PYTHONPATH": str(REPOSITORY), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert "init, airflow, pages, sandbox" in result.stderr


def test_every_role_in_the_compose_file_is_one_of_the_image(compose: dict[str, Any]) -> None:
    roles = load("platform_service").ROLES
    for name, service in compose["services"].items():
        if service["image"].startswith("tsur-platform"):
            assert service["command"][0] in roles, name


def test_the_password_may_hold_any_sign_and_leaves_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TSUR_POSTGRES_PASSWORD", "p@ss/wörd:%")
    monkeypatch.setenv("TSUR_POSTGRES_SERVER", "postgres:5432/postgres")
    monkeypatch.setenv("TSUR_DATABASE_URL", "")
    load("platform_service").name_database()

    url = os.environ["TSUR_DATABASE_URL"]
    assert make_url(url).password == "p@ss/wörd:%"
    assert "TSUR_POSTGRES_PASSWORD" not in os.environ
    loader = Warehouse.for_roles_with_one_password(url, "x").url("loader")
    assert loader.startswith("postgresql://tsur_loader:x@postgres:5432/warehouse")


def test_an_empty_password_stops_the_container_with_the_name_of_the_setting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TSUR_POSTGRES_PASSWORD", "")
    with pytest.raises(SystemExit, match="TSUR_POSTGRES_PASSWORD"):
        load("platform_service").name_database()


def test_superset_learns_its_own_secrets_and_no_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TSUR_DATABASE_URL", "postgresql://postgres:x@postgres:5432/postgres")
    module = load("platform_service")
    settings = module.Settings(home=tmp_path, as_of={"*": "2026-11-21T06:00:00+03:00"})
    (tmp_path / "superset").mkdir()
    module.hand_over(settings)

    handed_over = tmp_path / "superset" / "environment.json"
    assert handed_over.stat().st_mode & 0o077 == 0
    values = json.loads(handed_over.read_text())
    assert set(values) == {"TSUR_SUPERSET_SECRET_KEY", "TSUR_SUPERSET_DATABASE_URL"}
    assert "@postgres:5432/superset" in values["TSUR_SUPERSET_DATABASE_URL"]
    secrets = {settings.credentials.vault_key, settings.credentials.postgres_admin}
    assert not secrets & set(values.values())
    arguments = json.loads((tmp_path / "sandbox" / "arguments.json").read_text())
    assert arguments[arguments.index("--as-of") + 1] == "2026-11-21T06:00:00+03:00"


def test_superset_without_init_says_what_is_missing(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, DOCKER / "superset_web.py"],
        env={"TSUR_HOME": str(tmp_path), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert "the service 'init' has not run" in result.stderr


@pytest.fixture
def airflow_report() -> Iterator[str]:
    """A server that answers as Airflow's monitor does, with a scheduler that has stopped."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = self.path == "/health"
            self.send_response(200 if found else 404)
            self.end_headers()
            report = {"scheduler": {"status": "unhealthy"}, "triggerer": {"status": "healthy"}}
            self.wfile.write(json.dumps(report).encode() if found else b"")

        def log_message(self, format: str, *arguments: object) -> None:
            """Silence."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.mark.parametrize(
    ("path", "component", "expected"),
    [
        ("/health", None, True),
        ("/health", "triggerer", True),
        ("/health", "scheduler", False),
        ("/health", "dag_processor", False),
        ("/nothing", None, False),
    ],
)
def test_a_health_check_tells_who_has_stopped(
    airflow_report: str, path: str, component: str | None, expected: bool
) -> None:
    assert load("health").is_healthy(airflow_report + path, component) is expected


def test_a_server_that_does_not_answer_is_not_healthy(airflow_report: str) -> None:
    assert load("health").is_healthy("http://127.0.0.1:9/health") is False
