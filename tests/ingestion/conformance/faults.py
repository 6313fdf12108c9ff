"""A proxy before the sandbox that does to its answers what networks and servers do to them."""

from __future__ import annotations

import csv
import io
import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import requests

from tests.ingestion.clients.loopback import Answer, Page, Site, cut, hung_up

RETRY_AFTER = 7
# Long enough for an answer on a busy machine, short enough for a test.
TIMEOUT_SECONDS = 1.0

Records = list[Any]
Change = Callable[[Records], Records]
Fault = Callable[[Answer], Answer]


def backwards(records: Records) -> Records:
    """The same records in the other order."""
    return records[::-1]


def twice(records: Records) -> Records:
    """Every record a second time, behind all of them."""
    return [*records, *records]


# --- where the records of an answer stand --------------------------------------------------------


def in_rows(encoding: str, separator: str = ";") -> Callable[[bytes, Change], bytes]:
    """A table: the rows below its header."""

    def rewritten(content: bytes, change: Change) -> bytes:
        text = content.decode(encoding)
        header, *rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
        written = io.StringIO(newline="")
        csv.writer(written, delimiter=separator).writerows([header, *change(rows)])
        return written.getvalue().encode(encoding)

    return rewritten


def in_json(*places: str) -> Callable[[bytes, Change], bytes]:
    """JSON: the list at each of the dotted places that is there; '' is the document itself."""

    def rewritten(content: bytes, change: Change) -> bytes:
        document = json.loads(content)
        for place in places:
            *path, last = place.split(".")
            node: Any = {"": document} if place == "" else document
            for name in path:
                node = node.get(name, {})
            if isinstance(node, dict) and isinstance(node.get(last), list):
                node[last] = change(node[last])
            if place == "":
                document = node[last]
        return json.dumps(document, ensure_ascii=False).encode()

    return rewritten


def between(pattern: bytes) -> Callable[[bytes, Change], bytes]:
    """Markup: what matches stands side by side and changes its places."""

    def rewritten(content: bytes, change: Change) -> bytes:
        found = list(re.finditer(pattern, content, re.DOTALL))
        if not found:
            return content
        records = change([match[0] for match in found])
        return content[: found[0].start()] + b"".join(records) + content[found[-1].end() :]

    return rewritten


# --- the proxy -----------------------------------------------------------------------------------


class Proxy(Site):
    """Hands requests on to the sandbox; a fault gets the true answer and gives another one.

    `asking` changes what the sandbox is asked. `calls` counts the pages that were asked for since
    the last fault was injected, `faults` those that were spoilt.
    """

    def __init__(self, upstream: str) -> None:
        super().__init__()
        self.pages = _EveryPath(self)
        self._upstream = upstream
        self._session = requests.Session()
        self._session.trust_env = False
        self._lock = threading.Lock()
        self._late = threading.Event()
        self._fault: Fault | None = None
        self._begins_at = self._lasts = 0
        self.calls = self.faults = 0
        self.asking: Callable[[dict[str, str]], dict[str, str]] = dict

    def inject(self, fault: Fault, *, begins_at: int = 1, lasts: int) -> None:
        """From the call number `begins_at` on, `lasts` answers are faulty."""
        self._fault = fault
        self._begins_at, self._lasts = begins_at, lasts
        self.calls = self.faults = 0

    def stop(self) -> None:
        """True answers again; whoever waits for a late one is let go."""
        self._fault = None
        self.asking = dict
        self._late.set()

    def late(self, answer: Answer) -> Answer:
        """An answer that comes when the client has given up: at its next call."""
        self._late = threading.Event()
        self._late.wait(timeout=30)
        return answer

    def forward(self, path: str, parameters: dict[str, str]) -> Answer:
        self._late.set()
        with self._lock:
            true = self._true(path, self.asking(parameters))
        if path == "/robots.txt":
            # What it means when a host cannot be asked for it has tests of its own.
            return true
        self.calls += 1
        if self._fault is None:
            return true
        if self.calls < self._begins_at or self.faults >= self._lasts:
            return true
        self.faults += 1
        return self._fault(true)

    def _true(self, path: str, parameters: dict[str, str]) -> Answer:
        method = "POST" if path.startswith(("/vk/", "/ok/")) else "GET"
        bearer = {k: v for k, v in self.headers[-1].items() if k == "Authorization"}
        answer = self._session.request(
            method,
            self._upstream + path,
            params=parameters if method == "GET" else None,
            data=parameters if method == "POST" else None,
            headers=bearer,
            allow_redirects=False,
            timeout=30,
        )
        kept = {k: v for k, v in answer.headers.items() if k in ("content-type", "location")}
        return answer.status_code, kept, answer.content


class _EveryPath(dict[str, Page]):
    """Pages of a site, whatever they are called."""

    def __init__(self, proxy: Proxy) -> None:
        super().__init__()
        self._proxy = proxy

    def get(self, path: str, default: Any = None) -> Page:
        return lambda parameters: self._proxy.forward(path, parameters)


@contextmanager
def proxied(upstream: str) -> Iterator[Proxy]:
    proxy = Proxy(upstream)
    with proxy:
        yield proxy
        proxy.stop()


# --- faults that any server has ------------------------------------------------------------------


def cut_off(answer: Answer) -> Answer:
    status, headers, content = answer
    _, cutting, half = cut(content[: len(content) // 2])
    return status, {**headers, **cutting}, half


def cut_unseen(answer: Answer) -> Answer:
    """Half of an answer whose length nobody told, cut where a line ends if there is one."""
    status, headers, content = answer
    half = content[: len(content) // 2]
    _, hanging, half = hung_up(half[: half.rfind(b"\n") + 1] or half)
    return status, {**headers, **hanging}, half


def too_many(answer: Answer) -> Answer:
    return 429, {"Retry-After": str(RETRY_AFTER)}, b""


def server_error(answer: Answer) -> Answer:
    return 503, {}, b"<html>maintenance</html>"


def unauthorised(answer: Answer) -> Answer:
    return 401, {}, b""


def enveloped(error: Mapping[str, Any]) -> Fault:
    """An expired token, as an interface tells it that answers 200 to everything."""

    def refused(answer: Answer) -> Answer:
        return 200, {"Content-Type": "application/json"}, json.dumps(error).encode()

    return refused
