"""A measure with its bound, and programs run and watched."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import psutil

_SAMPLING_SECONDS = 0.05
# Asking for the memory of a large process halts it: at most this share of the time is spent so.
_SAMPLING_SHARE = 0.01


@dataclass(frozen=True, slots=True)
class Measure:
    """One number and what it has to be: `at_least` or `at_most` the bound."""

    name: str
    value: float
    unit: str
    bound: float
    direction: str

    @property
    def holds(self) -> bool:
        if self.direction == "at_least":
            return self.value >= self.bound
        return self.value <= self.bound

    def as_dict(self) -> dict[str, Any]:
        """What `--json` prints of it."""
        told = {name: value for name, value in asdict(self).items() if name != "name"}
        return {**told, "value": round(self.value, 3), "holds": self.holds}


def at_least(name: str, value: float, bound: float, unit: str = "ratio") -> Measure:
    return Measure(name, value, unit, bound, "at_least")


def at_most(name: str, value: float, bound: float, unit: str = "ratio") -> Measure:
    return Measure(name, value, unit, bound, "at_most")


def median_ratio(pairs: list[tuple[float, float]]) -> float:
    """The median of first ÷ second over alternating pairs: noise strikes both of a pair alike."""
    return median(first / second for first, second in pairs)


@dataclass(frozen=True, slots=True)
class Watched:
    """A program that has run: wall-clock seconds, peak of its tree's memory in MB, its output."""

    seconds: float
    peak_megabytes: float
    output: str


def run_watched(command: list[str], environment: Mapping[str, str]) -> Watched:
    """Run a program to its end; the memory of it and of its children is sampled.

    RuntimeError with what it printed when it fails. Memory that processes share is counted once:
    the proportional set size where the system tells it.
    """
    begun = time.perf_counter()
    with subprocess.Popen(
        command,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        watched = psutil.Process(process.pid)
        peak = 0.0
        while process.poll() is None:
            asked = time.perf_counter()
            peak = max(peak, memory_of(watched))
            spent = time.perf_counter() - asked
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(_SAMPLING_SECONDS, spent / _SAMPLING_SHARE))
        seconds = time.perf_counter() - begun
        output = process.stdout.read() if process.stdout else ""
    if process.returncode != 0:
        raise RuntimeError(f"{command[0]} ended with {process.returncode}:\n{output[-3000:]}")
    return Watched(seconds, peak / (1 << 20), output)


@dataclass(slots=True)
class Peaks:
    """The most that was seen: memory of a tree of processes in MB, files of a folder in bytes."""

    memory_megabytes: float = 0.0
    disk_bytes: int = 0


@contextmanager
def peaks(process: psutil.Process, folder: Path) -> Iterator[Peaks]:
    """Samples a server and the folder of its files while something goes on."""
    seen, is_over = Peaks(), threading.Event()

    def sample() -> None:
        pause = 0.0
        while not is_over.wait(pause):
            asked = time.perf_counter()
            seen.memory_megabytes = max(seen.memory_megabytes, memory_of(process) / (1 << 20))
            seen.disk_bytes = max(seen.disk_bytes, size_of(folder))
            pause = max(_SAMPLING_SECONDS, (time.perf_counter() - asked) / _SAMPLING_SHARE)

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        is_over.set()
        thread.join()


def size_of(folder: Path) -> int:
    """Bytes of all files below a folder; what goes while it is counted does not count."""
    total = 0
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):
                is_folder = entry.is_dir(follow_symlinks=False)
                total += size_of(Path(entry.path)) if is_folder else entry.stat().st_size
    return total


def memory_of(process: psutil.Process) -> float:
    """Bytes of a process and its children; what they share is counted once."""
    total = 0.0
    with contextlib.suppress(psutil.Error):
        for one in [process, *process.children(recursive=True)]:
            with contextlib.suppress(psutil.Error):
                told = one.memory_full_info()
                total += getattr(told, "pss", told.uss)
    return total
