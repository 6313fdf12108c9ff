"""The builder of the environments: needs nothing installed, says what is wrong, one at a time."""

from __future__ import annotations

import fcntl
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from stack.settings import REPOSITORY

BUILDER = REPOSITORY / "stack" / "environments.py"


def build(folder: Path, *names: str) -> subprocess.Popen[str]:
    # -S and -I: as the system's Python runs it, without site-packages and without our own path.
    return subprocess.Popen(
        [sys.executable, "-I", "-S", str(BUILDER), *names],
        env={**os.environ, "TSUR_ENVIRONMENTS": str(folder)},
        stderr=subprocess.PIPE,
        text=True,
    )


def test_it_runs_on_the_standard_library_alone_and_names_what_it_can_build(tmp_path: Path) -> None:
    with build(tmp_path, "nothing") as process:
        message = process.stderr.read() if process.stderr else ""
    assert process.returncode == 1
    assert "platform, superset, development" in message


def test_the_second_of_two_at_once_says_that_it_waits(tmp_path: Path) -> None:
    with (tmp_path / "building").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        process = build(tmp_path)
        assert process.stderr is not None
        assert "Another command is building" in process.stderr.readline()
        fcntl.flock(lock, fcntl.LOCK_UN)
    with process:
        process.wait(30)
    assert process.returncode == 0


@pytest.mark.parametrize("lock", ["platform", "superset", "development", "uv"])
def test_a_lock_pins_every_package_with_its_hash_and_names_no_index(lock: str) -> None:
    text = (REPOSITORY / "requirements" / f"{lock}.txt").read_text(encoding="utf-8")
    packages = re.findall(r"^([A-Za-z0-9_.\[\]-]+)==", text, flags=re.MULTILINE)
    assert packages
    assert len(re.findall(r"==[^\\\n]+\\\n\s+--hash=sha256:", text)) == len(packages)
    assert "://" not in text
    assert "--index" not in text
    # A stranger's placeholder of that name stands in the index.
    assert "ru-core-news-sm" not in packages


def test_both_environments_agree_on_what_they_share_with_their_development_tools() -> None:
    def pins(lock: str) -> dict[str, str]:
        text = (REPOSITORY / "requirements" / f"{lock}.txt").read_text(encoding="utf-8")
        return dict(re.findall(r"^([A-Za-z0-9_.-]+)==([^ \\]+)", text, flags=re.MULTILINE))

    platform, development = pins("platform"), pins("development")
    shared = platform.keys() & development.keys()
    assert shared
    assert {name: platform[name] for name in shared} == {name: development[name] for name in shared}
