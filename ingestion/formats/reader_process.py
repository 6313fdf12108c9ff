"""Workbooks are read in a process of their own, with a limit of memory.

A workbook of a few kilobytes can ask its parser for any amount of memory, in more ways than can be
looked for beforehand, and the parser ends its process when it gets none. So that process is not
the load's: it ends, and the file is refused. It has neither the environment nor the connections of
the load, and ends with it.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import pickle
import resource
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from queue import SimpleQueue
from typing import BinaryIO, ClassVar, cast

from ingestion.clients.base import Page
from ingestion.errors import UnreadableAnswer
from ingestion.formats.delivered import DeliveredFile
from ingestion.source import Entity

_LEAST_MEGABYTES = 1000
# Of what a workbook may unpack to; the default of a source comes to the least.
_TIMES_UNPACKED = 5 / 3
# A reader of larger files is not used again: what they took is given back for certain.
_REUSED_UP_TO = 8 << 20
# One page, so that the next one can be read while this one is written.
_PIPE_BYTES = 1 << 20
_PANICS = "pyo3_runtime"
# A process that gets no memory may end by any of them.
_OUT_OF_MEMORY = frozenset({-signal.SIGABRT, -signal.SIGSEGV, -signal.SIGBUS, -signal.SIGILL})


_Request = tuple[DeliveredFile, Entity, int]


@dataclass(frozen=True, slots=True)
class _Refusal:
    code: str
    message: str


def read_apart(file: DeliveredFile, entity: Entity) -> Iterator[Page]:
    """The pages of a workbook. UnreadableAnswer, also where reading it needs too much memory."""
    megabytes = max(_LEAST_MEGABYTES, int(entity.format.max_unpacked_megabytes * _TIMES_UNPACKED))
    reader = _Reader.idle() or _Reader()
    with file.path.open("rb") as held:
        try:
            yield from reader.pages(_named(file, held), entity, megabytes)
        except BaseException:
            reader.end()
            raise
    if file.size > _REUSED_UP_TO:
        reader.end()
    else:
        reader.rest()


def _named(file: DeliveredFile, held: BinaryIO) -> DeliveredFile:
    """The file under a name that the parser takes: one in another encoding it does not."""
    try:
        str(file.path).encode()
    except UnicodeEncodeError:
        return replace(file, path=Path(f"/proc/{os.getpid()}/fd/{held.fileno()}"))
    return file


class _Reader:
    """A process that reads one file after another: starting it takes half a second."""

    _resting: ClassVar[list[_Reader]] = []
    _lock = threading.Lock()

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", f"from {__name__} import serve; serve()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        self._requests = cast("BinaryIO", self._process.stdin)
        self._answers = cast("BinaryIO", self._process.stdout)
        if hasattr(fcntl, "F_SETPIPE_SZ"):  # only Linux knows of it
            fcntl.fcntl(self._answers, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)

    @classmethod
    def idle(cls) -> _Reader | None:
        """One that rests and is still alive: the machine may have ended it meanwhile."""
        with cls._lock:
            while cls._resting:
                reader = cls._resting.pop()
                if reader._process.poll() is None:
                    return reader
                reader.end()
        return None

    def rest(self) -> None:
        with self._lock:
            self._resting.append(self)

    def end(self) -> None:
        """Whatever it does, it is of no use any more."""
        self._process.kill()
        self._process.communicate()

    def pages(self, file: DeliveredFile, entity: Entity, megabytes: int) -> Iterator[Page]:
        pickle.dump((file, entity, megabytes), self._requests)
        self._requests.flush()
        while True:
            try:
                answer = pickle.load(self._answers)  # noqa: S301 (of our own process)
            except (EOFError, pickle.UnpicklingError):
                raise self._died(file, megabytes) from None
            if answer is None:
                return
            if isinstance(answer, _Refusal):
                raise file.kept(answer.code, answer.message)
            yield answer

    def _died(self, file: DeliveredFile, megabytes: int) -> Exception:
        status = self._process.wait()
        if status == -signal.SIGKILL:  # nothing tells a machine out of memory from a person
            told = "its reader was ended by signal 9, as a machine out of memory does"
            return file.refused("workbook_too_large", told)
        if status in _OUT_OF_MEMORY:
            return file.refused("workbook_too_large", _needs_more_than(megabytes))
        if status < 0:  # somebody ended it: that says nothing of the file
            return RuntimeError(f"{file.name}: its reader was ended by signal {-status}")
        return RuntimeError(f"{file.name}: its reader failed, the reason is in the lines above")


def _needs_more_than(megabytes: int) -> str:
    return f"reading it takes more than {megabytes} MB of memory"


@atexit.register
def _end_all() -> None:
    while (reader := _Reader.idle()) is not None:
        reader.end()


def _answers(file: DeliveredFile, entity: Entity, megabytes: int) -> Iterator[bytes]:
    """Pages or a refusal, packed: that may take more memory than there is, too."""
    from ingestion.formats.workbooks import read_workbook

    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = megabytes << 20
    limit = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, most))
    try:
        for page in read_workbook(file, entity):
            yield pickle.dumps(page, pickle.HIGHEST_PROTOCOL)
    except UnreadableAnswer as error:
        refusal = _Refusal(error.code, error.detail)
    except MemoryError:
        refusal = _Refusal("workbook_too_large", f"{file.name}: {_needs_more_than(megabytes)}")
    except BaseException as error:
        # Whatever a file brings its reader to, the other files are read. A parser's panic is no
        # Exception.
        if not isinstance(error, Exception) and type(error).__module__ != _PANICS:
            raise
        traceback.print_exc()
        refusal = _Refusal("broken_workbook", f"{file.name}: {type(error).__name__}")
    else:
        return
    yield pickle.dumps(refusal)


def serve() -> None:
    """Read what is asked for, until nobody asks any more: what the process of a reader does."""
    # Who stops the load does not wait for a parser.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    # A dump of its memory would hold people's data.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with os.fdopen(os.dup(sys.stdout.fileno()), "wb") as answers:
        # Nothing else gets among the answers.
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        requests: SimpleQueue[_Request] = SimpleQueue()
        threading.Thread(target=_listen, args=(requests,), daemon=True).start()
        while True:
            for answer in chain(_answers(*requests.get()), [pickle.dumps(None)]):
                answers.write(answer)
                answers.flush()


def _listen(requests: SimpleQueue[_Request]) -> None:
    """Take what is asked for; when nobody can ask any more, end, whatever is being read."""
    while True:
        try:
            requests.put(pickle.load(sys.stdin.buffer))  # noqa: S301 (of the load)
        except EOFError:
            os._exit(0)
