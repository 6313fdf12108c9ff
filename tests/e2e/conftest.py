"""The whole line, run once for all tests here, through the public commands only."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from stack.postgres import free_ports
from stack.settings import REPOSITORY, Settings
from tests.conftest import real_data_folder

PROGRAM = REPOSITORY / "tsur"
PORT_OFFSETS = (31, 32, 54, 80, 88, 90)
CASES = 4000


@dataclass(frozen=True)
class Home:
    """A home folder and the commands on it, as a person would type them."""

    folder: Path
    variables: dict[str, str]

    def run(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run `./tsur …`; with `check`, a failure shows what the command printed."""
        result = subprocess.run(
            [str(PROGRAM), *arguments],
            env={**os.environ, **self.variables, "TSUR_HOME": str(self.folder)},
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=False,
        )
        if check and result.returncode != 0:
            pytest.fail(
                f"tsur {' '.join(arguments)} ended with {result.returncode}:\n"
                f"{result.stdout[-2000:]}\n{result.stderr[-6000:]}"
            )
        return result

    def sql(self, query: str, role: str = "analyst") -> list[dict[str, str]]:
        """The rows of a query, values as text, null as the empty text."""
        output = self.run("sql", "--csv", "--role", role, query).stdout
        return list(csv.DictReader(io.StringIO(output)))

    def number(self, query: str, role: str = "analyst") -> int:
        """The one number that a query gives."""
        ((value,),) = (row.values() for row in self.sql(query, role))
        return int(value)

    @property
    def settings(self) -> Settings:
        return Settings(home=self.folder)

    def status(self) -> dict[str, Any]:
        status: dict[str, Any] = json.loads(self.run("status", "--json", check=False).stdout)
        return status


_given: set[int] = set()


def free_port_base() -> int:
    """A base whose every port is free at this moment, and whose ports nobody here was given."""
    while True:
        base = free_ports(*PORT_OFFSETS)
        if not any(abs(base - other) <= max(PORT_OFFSETS) for other in _given):
            _given.add(base)
            return base


class Rising:
    """A home whose demo runs in the background until somebody needs it."""

    def __init__(self, home: Home, *arguments: str) -> None:
        self.home = home
        self._log = home.folder.with_name(f"{home.folder.name}.log")
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [str(PROGRAM), *arguments],
                env={**os.environ, **home.variables, "TSUR_HOME": str(home.folder)},
                cwd=REPOSITORY,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def risen(self) -> Home:
        """The home, when its demo has ended; a failure shows what it printed."""
        if self._process.wait(1500) != 0:
            pytest.fail(self._log.read_text(errors="replace")[-8000:])
        return self.home

    def remove(self) -> None:
        """Stop everything and leave nothing."""
        self._process.terminate()
        self._process.wait()
        self.home.run("down", "--remove", check=False)
        shutil.rmtree(self.home.folder, ignore_errors=True)
        self._log.unlink(missing_ok=True)


def new_home(prefix: str, **variables: str) -> Home:
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    folder.chmod(0o755)
    return Home(folder, {"TSUR_PORT_BASE": str(free_port_base()), **variables})


@pytest.fixture(scope="session")
def rising(request: pytest.FixtureRequest) -> Iterator[dict[str, Rising]]:
    """The demos that the chosen tests need, started side by side: each mostly waits."""
    wanted = {name for item in request.session.items for name in getattr(item, "fixturenames", ())}
    started: dict[str, Rising] = {}
    try:
        if "demo" in wanted and "TSUR_E2E_HOME" not in os.environ:
            home = new_home("tsur-demo-", TSUR_SANDBOX_CASES=str(CASES))
            started["demo"] = Rising(home, "demo")
        data = real_data_folder()
        if "demo_real" in wanted and "TSUR_E2E_REAL_HOME" not in os.environ and data is not None:
            home = new_home("tsur-real-")
            started["demo_real"] = Rising(home, "demo-real", "--data", str(data))
        yield started
    finally:
        for one in started.values():
            one.remove()


@pytest.fixture(scope="session")
def demo(rising: dict[str, Rising]) -> Home:
    """`tsur demo` on a small sandbox, in a home and on ports of its own."""
    ready = os.environ.get("TSUR_E2E_HOME")
    return Home(Path(ready), {}) if ready else rising["demo"].risen()


@pytest.fixture(scope="session")
def demo_real(real_data: Path, rising: dict[str, Rising]) -> Home:
    """`tsur demo-real` on the real data set, in a home and on ports of its own."""
    ready = os.environ.get("TSUR_E2E_REAL_HOME")
    return Home(Path(ready), {}) if ready else rising["demo_real"].risen()


@pytest.fixture(scope="session")
def truth(demo: Home, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the sandbox of the demo made: file name without its ending → rows (or counts)."""
    folder = tmp_path_factory.mktemp("truth")
    demo.run("sandbox", "truth", "--output", str(folder))
    made: dict[str, Any] = {
        path.stem: [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        for path in folder.glob("*.jsonl")
    }
    made["counts"] = json.loads((folder / "counts.json").read_text(encoding="utf-8"))
    made["folder"] = folder
    return made
