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

from stack.postgres import free_port, is_port_busy
from stack.settings import REPOSITORY, Settings

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


def free_port_base() -> int:
    """A base whose every port is free at this moment."""
    for _ in range(50):
        base = free_port() // 100 * 100
        if 20000 < base < 60000 and not any(is_port_busy(base + one) for one in PORT_OFFSETS):
            return base
    raise RuntimeError("no free range of ports on this machine")


@pytest.fixture(scope="session")
def demo() -> Iterator[Home]:
    """`tsur demo` on a small sandbox, in a home and on ports of its own."""
    ready = os.environ.get("TSUR_E2E_HOME")
    if ready:
        yield Home(Path(ready), {})
        return
    folder = Path(tempfile.mkdtemp(prefix="tsur-demo-"))
    folder.chmod(0o755)
    variables = {"TSUR_SANDBOX_CASES": str(CASES), "TSUR_PORT_BASE": str(free_port_base())}
    home = Home(folder, variables)
    try:
        home.run("demo")
        yield home
    finally:
        home.run("down", "--remove", check=False)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def demo_real(real_data: Path) -> Iterator[Home]:
    """`tsur demo-real` on the real data set, in a home and on ports of its own."""
    ready = os.environ.get("TSUR_E2E_REAL_HOME")
    if ready:
        yield Home(Path(ready), {})
        return
    folder = Path(tempfile.mkdtemp(prefix="tsur-real-"))
    folder.chmod(0o755)
    home = Home(folder, {"TSUR_PORT_BASE": str(free_port_base())})
    try:
        home.run("demo-real", "--data", str(real_data))
        yield home
    finally:
        home.run("down", "--remove", check=False)
        shutil.rmtree(folder, ignore_errors=True)


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
