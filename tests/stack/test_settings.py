"""One settings object: environment before .env before the home's own file before defaults."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from stack.settings import REPOSITORY, Settings, get_settings


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TSUR_HOME", str(tmp_path))
    return tmp_path


def test_what_the_first_run_decided_holds_for_later_runs(home: Path) -> None:
    get_settings().keep(port_base=20000, as_of={"*": "2026-11-21T06:00:00+03:00"})
    settings = get_settings()
    assert settings.airflow_port == 20080
    assert settings.as_of_variable == {"*": "2026-11-21T06:00:00+03:00"}


def test_the_environment_is_stronger_than_the_home(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    get_settings().keep(port_base=20000)
    monkeypatch.setenv("TSUR_AIRFLOW_PORT", "21000")
    settings = get_settings()
    assert (settings.airflow_port, settings.superset_port) == (21000, 20088)


def test_all_ports_of_a_home_differ(home: Path) -> None:
    settings = get_settings()
    ports = [value for name, value in settings.model_dump().items() if name.endswith("_port")]
    assert len(ports) >= 6
    assert len(set(ports)) == len(ports)


def test_a_moment_without_an_offset_is_refused(home: Path) -> None:
    with pytest.raises(ValidationError, match="no UTC offset"):
        Settings(as_of={"boston": "2016-01-13T08:00:00"})


def test_a_relative_home_is_the_same_from_every_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TSUR_HOME", ".tsur-real")
    assert get_settings().home == tmp_path / ".tsur-real"


def test_every_setting_stands_in_env_example_with_a_comment() -> None:
    lines = (REPOSITORY / ".env.example").read_text(encoding="utf-8").splitlines()
    named = {
        match[1]: lines[number - 1]
        for number, line in enumerate(lines)
        if (match := re.match(r"#?\s?TSUR_([A-Z_]+)=", line))
    }
    expected = {name.upper() for name in Settings.model_fields}
    assert expected <= set(named), expected - set(named)
    assert all(comment.startswith("#") for comment in named.values())


def test_a_port_that_was_moved_alone_is_kept_with_the_home(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TSUR_SUPERSET_PORT", "19977")
    moved = get_settings().moved_ports
    assert moved == {"superset_port": 19977}
    get_settings().keep(**moved)
    monkeypatch.delenv("TSUR_SUPERSET_PORT")
    assert get_settings().superset_port == 19977
