"""Long-running processes: known by number and start time, ended with their children."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from stack.postgres import free_port
from stack.services import Service, ServiceError

CHILD = "import time; time.sleep(600)"
PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {CHILD!r}])"


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Service]:
    port = free_port()
    service = Service(
        name="web",
        home=tmp_path,
        command=[sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"],
        environment=dict(os.environ),
        folder=tmp_path,
        ports={port: "TSUR_WEB_PORT"},
        health_url=f"http://127.0.0.1:{port}/",
    )
    yield service
    service.stop()


def test_starting_twice_keeps_one_process(web: Service) -> None:
    assert web.start()
    web.wait(20)
    first = web.process()
    assert not web.start()
    assert web.process() == first


def test_a_busy_port_is_named_with_the_setting_that_moves_it(web: Service) -> None:
    web.start()
    web.wait(20)
    second = Service("other", web.home, web.command, {}, web.folder, dict(web.ports))
    with pytest.raises(ServiceError, match=rf"{next(iter(web.ports))}.*TSUR_WEB_PORT"):
        second.start()


def test_the_number_of_a_strange_process_is_never_taken_for_ours(web: Service) -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as stranger:
        record = web.home / "run" / "web.json"
        record.parent.mkdir()
        record.write_text(json.dumps({"pid": stranger.pid, "created": 1.0}))
        assert web.process() is None
        assert not web.stop()
        assert stranger.poll() is None
        stranger.kill()


def test_stopping_ends_the_children_too(tmp_path: Path) -> None:
    service = Service(
        "family", tmp_path, [sys.executable, "-c", PARENT], dict(os.environ), tmp_path
    )
    service.start()
    process = service.process()
    assert process is not None
    family = [process]
    while len(family) < 2:
        family = [process, *process.children(recursive=True)]
    assert service.stop()
    _, alive = psutil.wait_procs(family, timeout=10)
    assert [one for one in alive if one.status() != psutil.STATUS_ZOMBIE] == []


def test_a_service_that_ends_at_once_shows_its_log(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "raise SystemExit('no such option')"]
    service = Service("short", tmp_path, command, dict(os.environ), tmp_path)
    service.start()
    with pytest.raises(ServiceError, match=r"(?s)short\.log.*no such option"):
        service.wait(20)
