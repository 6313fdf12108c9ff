"""Build the Python environments from the hashed locks in `requirements/`.

Runs with the system's Python before anything is installed, so it needs the standard library only:
`python3 stack/environments.py platform superset`. An environment whose lock has not changed is
left as it is, which takes no time.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
import time
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
REQUIREMENTS = REPOSITORY / "requirements"
# Environment -> the locks that are installed into it, in this order.
LOCKS = {
    "platform": ["platform"],
    "superset": ["superset"],
    "development": ["platform", "development"],
}


def _folder() -> Path:
    return Path(os.environ.get("TSUR_ENVIRONMENTS") or REPOSITORY / ".tsur" / "env").absolute()


def _say(message: str) -> None:
    sys.stderr.write(f"{message}\n")
    sys.stderr.flush()


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    _folder().mkdir(parents=True, exist_ok=True)
    with (_folder() / "building").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say(f"Another command is building the environments in {_folder()}: waiting for it …")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _digest(locks: list[str]) -> str:
    content = b"".join((REQUIREMENTS / f"{lock}.txt").read_bytes() for lock in locks)
    return hashlib.sha256(content + sys.version.encode()).hexdigest()


def _run(command: list[str], log: Path, environment: dict[str, str]) -> None:
    with log.open("a") as output:
        result = subprocess.run(
            command, stdout=output, stderr=subprocess.STDOUT, env=environment, check=False
        )
    if result.returncode != 0:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        raise SystemExit(
            f"FAILED: {' '.join(command[:4])} … ended with {result.returncode}. "
            f"The log is {log}; the last lines:\n{tail}\n"
            "Check that the package index answers (pip download six), then run the command again."
        )


def _installer(log: Path) -> tuple[Path, dict[str, str]]:
    """uv, in an environment of its own, and the variables that it runs with."""
    folder = _folder() / "installer"
    python = folder / "bin" / "python"
    environment = {**os.environ, "UV_PYTHON_DOWNLOADS": "never", "UV_NO_CONFIG": "1"}
    environment.setdefault("UV_SYSTEM_CERTS", "1")
    environment.setdefault("UV_CONCURRENT_BUILDS", "2")
    stamp = folder / "lock"
    if not stamp.exists() or stamp.read_text() != _digest(["uv"]):
        venv.create(folder, clear=True, with_pip=True)
        command = [str(python), "-m", "pip", "install", "--quiet", "--require-hashes"]
        _run([*command, "--no-deps", "-r", str(REQUIREMENTS / "uv.txt")], log, environment)
        stamp.write_text(_digest(["uv"]))
    # pip knows the machine's package index from its own configuration, uv does not read that.
    found = subprocess.run(
        [str(python), "-m", "pip", "config", "get", "global.index-url"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    index = os.environ.get("PIP_INDEX_URL") or found
    if index:
        environment.setdefault("UV_DEFAULT_INDEX", index)
    return folder / "bin" / "uv", environment


def build(name: str) -> None:
    """Make the environment `name` agree with its locks."""
    target = "platform" if name == "development" else name
    folder = _folder() / target
    stamp = folder / f"lock-{name}"
    digest = _digest(LOCKS[name])
    if stamp.exists() and stamp.read_text() == digest:
        return
    started = time.monotonic()
    log = _folder() / f"{name}.log"
    log.write_text("")
    _say(f"Environment {name}: building from requirements/{LOCKS[name][-1]}.txt …")
    uv, environment = _installer(log)
    if not (folder / "bin" / "python").exists():
        _run([str(uv), "venv", "--python", sys.executable, str(folder)], log, environment)
    for lock in LOCKS[name]:
        command = [str(uv), "pip", "install", "--python", str(folder / "bin" / "python")]
        command += ["--no-deps", "--require-hashes", "--compile-bytecode"]
        _run([*command, "-r", str(REQUIREMENTS / f"{lock}.txt")], log, environment)
    stamp.write_text(digest)
    _say(f"Environment {name}: ready in {time.monotonic() - started:.0f} s ({folder})")


def main(names: list[str]) -> None:
    if not (3, 11) <= sys.version_info[:2] <= (3, 12):
        raise SystemExit(
            f"Python 3.11 or 3.12 is needed, this is {sys.version.split()[0]}. "
            "Name another one: make PYTHON=python3.11 …"
        )
    unknown = [name for name in names if name not in LOCKS]
    if unknown:
        raise SystemExit(
            f"No such environment: {', '.join(unknown)}. There are: {', '.join(LOCKS)}"
        )
    with _one_at_a_time():
        for name in names:
            build(name)


if __name__ == "__main__":
    main(sys.argv[1:])
