"""Pages are read as their host allows: robots.txt (RFC 9309), once a host and run, and its pace.

A page that may not be read is not asked for. A robots.txt that is not there (4xx) allows all; one
that cannot be reached (5xx, no answer) forbids all until it can be (RFC 9309, 2.3.1.3 and 2.3.1.4).
`Crawl-delay` and `Request-rate` are no part of the RFC, but hosts write them, so they are kept.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit, urlunsplit

from protego import Protego

from ingestion.clients.transport import USER_AGENT, Answer, Pace, Transport, without_secrets
from ingestion.errors import FetchError

# Rules match the product token, not the version behind it.
_AGENT = USER_AGENT.partition("/")[0]
# RFC 9309, 2.5: the least that a reader must take of a long file.
_MOST_BYTES = 500 << 10
_ABSENT = frozenset({"http_client_error", "http_unauthorised"})
# A run does not wait longer than this between two pages of a host.
_LONGEST_DELAY_SECONDS = 60.0


@dataclass(slots=True)
class _Host:
    """`rules` is None when nothing may be read, for a `reason`."""

    rules: Protego | None
    delay: float = 0.0
    pace: Pace | None = None
    reason: str = ""
    is_used: bool = False


class Robots:
    """Reads pages through a transport, as their hosts allow."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._hosts: dict[str, _Host] = {}

    @contextlib.contextmanager
    def fetch(self, url: str, parameters: Mapping[str, str] | None = None) -> Iterator[Answer]:
        """GET one page. FetchError `robots_disallowed` without a call, or what the call gave."""
        self.admit(f"{url}?{urlencode(parameters)}" if parameters else url)
        with self._transport.fetch(url, parameters) as answer:
            yield answer

    def admit(self, url: str) -> None:
        """Return when the page may be read, after the time that the host asks for."""
        host = self._host(url)
        if host.rules is None:
            raise FetchError("robots_disallowed", f"{without_secrets(url)}: {host.reason}")
        if not host.rules.can_fetch(url, _AGENT):
            raise FetchError("robots_disallowed", without_secrets(url))
        if host.is_used and host.delay > _LONGEST_DELAY_SECONDS:
            raise FetchError(
                "robots_disallowed",
                f"{without_secrets(url)}: one page in {host.delay:g} s, which a run does not wait",
            )
        host.is_used = True
        if host.pace is not None:
            host.pace.wait()

    def _host(self, url: str) -> _Host:
        parts = urlsplit(url)
        name = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        if name not in self._hosts:
            self._hosts[name] = self._read(name, urlunsplit((*parts[:2], "/robots.txt", "", "")))
        return self._hosts[name]

    def _read(self, name: str, url: str) -> _Host:
        try:
            with self._transport.fetch(url) as answer:
                content = answer.read()[:_MOST_BYTES]
        except FetchError as error:
            if error.code in _ABSENT:
                return _Host(Protego.parse(""))
            return _Host(None, reason=f"robots.txt gave {error.code}")
        rules = Protego.parse(content.decode("utf-8", "replace").removeprefix("\ufeff"))
        delay = rules.crawl_delay(_AGENT) or 0.0
        rate = rules.request_rate(_AGENT)
        if rate is not None and rate.requests:
            delay = max(delay, rate.seconds / rate.requests)
        if not delay:
            return _Host(rules)
        # Regions that load side by side share the host, so they share its pace.
        pace = Pace(1 / delay, f"robots {name}", sleep=self._transport.pause)
        return _Host(rules, delay, pace)
