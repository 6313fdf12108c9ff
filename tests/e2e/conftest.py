"""The whole line, run once for all tests here, through the public commands only."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from stack.postgres import free_ports
from stack.settings import REPOSITORY, Settings

HERE = Path(__file__).parent
PROGRAM = REPOSITORY / "tsur"
PORT_OFFSETS = (31, 32, 54, 80, 88, 90)
CASES = "4000"


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


_begun: dict[str, Home] = {}


def _risen(fixture: str, *arguments: str, **variables: str) -> Home:
    """A home of its own, with free ports, in which a demo has ended."""
    folder = Path(tempfile.mkdtemp(prefix="tsur-e2e-"))
    folder.chmod(0o755)
    home = Home(folder, {"TSUR_PORT_BASE": str(free_ports(*PORT_OFFSETS)), **variables})
    _begun[fixture] = home
    home.run(*arguments)
    return home


def pytest_runtest_teardown(nextitem: pytest.Item | None) -> None:
    """A demo that the next test does not look at is removed: at rest it takes from other tests."""
    needed = set()
    if nextitem is not None and nextitem.path.is_relative_to(HERE):
        fixtures = getattr(nextitem, "fixturenames", ())
        needed.add("demo_real" if "demo_real" in fixtures else "demo")
    _remove_all_but(needed)


def pytest_sessionfinish() -> None:
    """Whatever came of the tests, nothing of the demos is left."""
    _remove_all_but(set())


def _remove_all_but(needed: set[str]) -> None:
    for fixture in _begun.keys() - needed:
        home = _begun.pop(fixture)
        home.run("down", "--remove", check=False)
        shutil.rmtree(home.folder, ignore_errors=True)


@pytest.fixture(scope="session")
def demo() -> Home:
    """`tsur demo` on a small sandbox, in a home and on ports of its own."""
    ready = os.environ.get("TSUR_E2E_HOME")
    return Home(Path(ready), {}) if ready else _risen("demo", "demo", TSUR_SANDBOX_CASES=CASES)


@pytest.fixture(scope="session")
def demo_real(real_data: Path) -> Home:
    """`tsur demo-real` on the real data set, in a home and on ports of its own."""
    ready = os.environ.get("TSUR_E2E_REAL_HOME")
    arguments = ("demo-real", "--data", str(real_data))
    return Home(Path(ready), {}) if ready else _risen("demo_real", *arguments)


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
