"""Hosts on loopback for the tests of clients: a site that a test writes, and the whole sandbox."""

from __future__ import annotations

import functools
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import uvicorn

from ingestion.clients.transport import Transport
from ingestion.sandbox.server import build_app
from ingestion.sandbox.world import World, build_world
from ingestion.source import SOURCES_FOLDER, Source, load_source
from stack.postgres import free_port

TOKEN = "a-token-of-the-tests"
AS_OF = datetime.fromisoformat("2026-11-21T06:00:00+03:00")

Answer = tuple[int, dict[str, str], bytes]
Page = Callable[[dict[str, str]], Answer | bytes]


class Site:
    """A host: answers by path, keeps what it was asked.

    A page gets the parameters of the request, those of the address and those of a form. A header
    that it leaves empty is not sent. With `tls` it speaks https.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.pages: dict[str, Page] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.headers: list[dict[str, str]] = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.answer("")

            def do_POST(self) -> None:
                self.answer(self.rfile.read(int(self.headers["Content-Length"])).decode())

            def answer(self, body: str) -> None:
                parts = urlsplit(self.path)
                given = {**parse_qs(parts.query), **parse_qs(body)}
                parameters = {name: values[0] for name, values in given.items()}
                site.asked.append((parts.path, parameters))
                site.headers.append(dict(self.headers))
                page = site.pages.get(parts.path)
                answer = (404, {}, b"") if page is None else page(parameters)
                status, headers, content = (
                    (200, {}, answer) if isinstance(answer, bytes) else answer
                )
                self.send_response(status)
                for name, value in {"Content-Length": str(len(content)), **headers}.items():
                    if value:
                        self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *arguments: Any) -> None:
                """Quiet: what was asked is in `asked`."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        if tls is not None:
            listening = tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
            self._server.socket = listening
            self.url = self.url.replace("http:", "https:")
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.01,), daemon=True
        )

    def paths(self) -> list[str]:
        return [path for path, _ in self.asked]

    def __enter__(self) -> Site:
        self._thread.start()
        return self

    def __exit__(self, *reason: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=10)


def cut(content: bytes) -> Answer:
    """An answer whose connection breaks off before the length that was promised."""
    return 200, {"Content-Length": str(len(content) + 1000), "Connection": "close"}, content


def hung_up(content: bytes) -> Answer:
    """An answer whose length nobody tells, as older servers end it: by hanging up."""
    return 200, {"Content-Length": ""}, content


def chunked(content: bytes, *, is_ended: bool = True) -> Answer:
    """An answer in chunks; without the last one it was cut."""
    headers = {"Content-Length": "", "Transfer-Encoding": "chunked"}
    body = f"{len(content):x}\r\n".encode() + content + b"\r\n"
    return 200, headers, body + (b"0\r\n\r\n" if is_ended else b"")


def patient(waits: list[float]) -> Callable[..., Transport]:
    """In place of `transport_of`: the same limits, and waits are written down, not waited."""

    def build(source: Source, *, bearer: bool = True) -> Transport:
        return Transport(attempts=source.attempts, timeout_seconds=10, sleep=waits.append)

    return build


@functools.cache
def small_world() -> World:
    return build_world(seed=7, as_of=AS_OF, cases=400)


@contextmanager
def served_sandbox() -> Iterator[str]:
    """The sandbox over a small world; its address."""
    port = free_port()
    app = build_app(small_world(), TOKEN)
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 30
    while not server.started:
        assert time.monotonic() < deadline, "the sandbox did not start"
        time.sleep(0.01)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(timeout=10)


def shipped(code: str, name: str, **environment: str) -> Source:
    """A source of the platform, as it is shipped, under a name and with tables of its own."""
    source = load_source(SOURCES_FOLDER / f"{code}.yml", environment)
    entities = {
        key: entity.model_copy(update={"table": f"{name}_{key}"})
        for key, entity in source.entities.items()
    }
    return source.model_copy(update={"code": name, "entities": entities})
