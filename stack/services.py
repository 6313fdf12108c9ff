"""Long-running processes of one home: start, find again, wait for, stop.

A service is known by the number and the start time of its process, so that a number that the
system gave to somebody else after a power cut is never taken for ours, and never killed.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import requests

from stack.postgres import is_port_busy

LOG_LIMIT_BYTES = 20_000_000
# A process that cannot be asked counts as healthy once it has lived this long.
SETTLING_SECONDS = 2


class ServiceError(RuntimeError):
    """A service did not start; the message names the port or the log and what to do."""


@dataclass
class Service:
    """One process: `command` runs with `environment`, writes `logs/<name>.log` in the home.

    `ports` maps each port to the setting that moves it. `health_url` is asked until it answers
    with a status below 400; a service without one is healthy once it has lived for a moment.
    """

    name: str
    home: Path
    command: list[str]
    environment: dict[str, str]
    folder: Path
    ports: dict[int, str] = field(default_factory=dict)
    health_url: str | None = None

    @property
    def log_file(self) -> Path:
        return self.home / "logs" / f"{self.name}.log"

    @property
    def _record(self) -> Path:
        return self.home / "run" / f"{self.name}.json"

    def process(self) -> psutil.Process | None:
        """The running process, or None."""
        try:
            record = json.loads(self._record.read_text())
            process = psutil.Process(record["pid"])
            same = abs(process.create_time() - record["created"]) < 1
            alive = same and process.status() != psutil.STATUS_ZOMBIE
        except (OSError, ValueError, KeyError, psutil.Error):
            return None
        return process if alive else None

    def check_ports(self) -> None:
        """Raise when somebody else listens on a port that this service needs."""
        if self.process() is not None:
            return
        for port, setting in self.ports.items():
            if is_port_busy(port):
                raise ServiceError(
                    f"Port {port} of 127.0.0.1 is taken by another program, {self.name} needs it. "
                    f"Set {setting} to a free port (or TSUR_PORT_BASE to move all), in .env or in "
                    "the environment."
                )

    def start(self) -> bool:
        """Start the process; False when it runs already."""
        if self.process() is not None:
            return False
        self.check_ports()
        self.log_file.parent.mkdir(parents=True, exist_ok=True)
        self._record.parent.mkdir(parents=True, exist_ok=True)
        if self.log_file.exists() and self.log_file.stat().st_size > LOG_LIMIT_BYTES:
            self.log_file.replace(self.log_file.with_suffix(".log.1"))
        with self.log_file.open("ab") as log:
            child = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env=self.environment,
                start_new_session=True,
            )
        created = psutil.Process(child.pid).create_time()
        self._record.write_text(json.dumps({"pid": child.pid, "created": created}))
        return True

    def is_healthy(self) -> bool:
        """True when the process lives and its address answers."""
        process = self.process()
        if process is None:
            return False
        if self.health_url is None:
            return time.time() - process.create_time() > SETTLING_SECONDS
        try:
            return requests.get(self.health_url, timeout=3).status_code < 400
        except requests.RequestException:
            return False

    def wait(self, seconds: float, on_wait: Callable[[], None] | None = None) -> None:
        """Return when the service is healthy; raise when it ends or takes too long."""
        deadline = time.monotonic() + seconds
        while not self.is_healthy():
            if self.process() is None:
                raise ServiceError(f"{self.name} ended while starting. {self._last_lines()}")
            if time.monotonic() > deadline:
                raise ServiceError(
                    f"{self.name} did not answer within {seconds:.0f} s. {self._last_lines()}"
                )
            if on_wait:
                on_wait()
            time.sleep(0.5)

    def _last_lines(self) -> str:
        lines = self.log_file.read_text(errors="replace").splitlines()[-8:]
        return f"Its log is {self.log_file}; the last lines:\n" + "\n".join(lines)

    def stop(self) -> bool:
        """End the process and all its children; False when it did not run."""
        process = self.process()
        self._record.unlink(missing_ok=True)
        if process is None:
            return False
        family = [process, *_children(process)]
        for member in family:
            _signal(member.terminate)
        _, alive = psutil.wait_procs(family, timeout=20)
        for member in alive:
            _signal(member.kill)
        psutil.wait_procs(alive, timeout=5)
        return True


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []


def _signal(action: Callable[[], None]) -> None:
    try:
        action()
    except psutil.Error:
        return


def reap() -> None:
    """Collect children that have ended, so that they are not seen as running."""
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
