"""HTTP for all clients: time limits, retries with Retry-After, size limit, no token in any text."""

from __future__ import annotations

import contextlib
import email.utils
import hashlib
import logging
import os
import ssl
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import requests
from filelock import FileLock
from pydantic import SecretStr
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt

from ingestion.errors import FetchError
from ingestion.spool import nameless_file

_RETRIED_STATUSES = frozenset({429, 500, 502, 503, 504})
_SECRET_PARAMETERS = frozenset(
    {
        *("access_token", "token", "auth", "api_key", "apikey", "api-key", "key"),
        *("password", "secret", "client_secret", "sig", "signature"),
    }
)
_LONGEST_WAIT_SECONDS = 120.0
_CHUNK = 1 << 18
USER_AGENT = "tsur-data-platform/0.1"

# Its debug lines tell the whole address of every call, with the token that may stand in it.
logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)


class _Again(Exception):
    """A failure that may pass; `wait_seconds` is what the source asked for."""

    def __init__(self, error: FetchError, wait_seconds: float | None = None) -> None:
        super().__init__(str(error))
        self.error = error
        self.wait_seconds = wait_seconds


@dataclass(frozen=True, slots=True)
class Answer:
    """A successful answer, its body in a file that lives as long as the `with` block.

    `is_end_told` is False when the connection just ended: without a length and without chunks
    (RFC 9112, 6.3) an answer that was cut looks like a whole one.
    """

    address: str
    path: Path
    sha256: str
    size: int
    content_type: str
    is_end_told: bool

    def read(self) -> bytes:
        return self.path.read_bytes()


def without_secrets(url: str, parameters: Mapping[str, Any] | None = None) -> str:
    """The address for logs, errors and the ledger: no token, no login."""
    parts = urlsplit(url)
    pairs = [*parse_qsl(parts.query), *((parameters or {}).items())]
    kept = urlencode([(k, v) for k, v in pairs if k.casefold() not in _SECRET_PARAMETERS])
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, kept, ""))


def _retry_after(value: str | None) -> float | None:
    if not value:
        return None
    with contextlib.suppress(ValueError):
        return max(0.0, float(value))
    with contextlib.suppress(ValueError, TypeError):
        moment = email.utils.parsedate_to_datetime(value)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return max(0.0, (moment - datetime.now(UTC)).total_seconds())
    return None


def _untrusted(error: BaseException) -> str | None:
    """What is wrong with a certificate; None when the connection failed for another reason."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return cause.verify_message
        reasons = (*cause.args, getattr(cause, "reason", None))
        cause = next((one for one in reasons if isinstance(one, BaseException)), None)
    return None


class Pace:
    """Spaces calls out, together with every other process of this account that has the same key.

    A rate limit belongs to the token, not to the process: regions that load side by side would
    otherwise be refused most of the time. The state is a time in a file of the account's own.
    """

    # A little slower than allowed: calls arrive less evenly than they are sent.
    _MARGIN = 1.05

    def __init__(
        self,
        calls_per_second: float,
        key: str,
        *,
        folder: Path | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._spacing = self._MARGIN / calls_per_second
        digest = hashlib.sha256(f"{os.getuid()}\x1f{key}".encode()).hexdigest()[:20]
        self._state = (folder or Path(tempfile.gettempdir())) / f"tsur-pace-{digest}"
        self._lock = FileLock(f"{self._state}.lock", mode=0o600)
        self._sleep = sleep
        self._clock = clock

    def wait(self) -> None:
        """Take the next free moment and wait for it."""
        with self._lock:
            now = self._clock()
            try:
                free = float(self._state.read_text(encoding="ascii"))
            except (OSError, ValueError):
                free = now
            # A clock that was set back must not stop the loads.
            mine = min(max(now, free), now + 60)
            descriptor = os.open(self._state, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(repr(mine + self._spacing))
        if mine > now:
            self._sleep(mine - now)


class Transport:
    """A session with one source.

    `origins` are the schemes and hosts that it may reach; None leaves that to the caller.
    `ca_file` (PEM) holds the authorities that hosts are trusted by, in place of the public ones;
    a certificate is verified always. `attempts` counts the first try. `pace` spaces the calls out.
    `sleep` and `clock` are for tests.
    """

    def __init__(
        self,
        *,
        timeout_seconds: float = 60,
        attempts: int = 5,
        max_bytes: int = 1 << 30,
        token: SecretStr | None = None,
        pace: Pace | None = None,
        origins: frozenset[tuple[str, str]] | None = None,
        ca_file: Path | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._session = requests.Session()
        # Neither a proxy nor a .netrc of the machine may send a token elsewhere.
        self._session.trust_env = False
        self._session.headers["User-Agent"] = USER_AGENT
        if token is not None:
            self._session.headers["Authorization"] = f"Bearer {token.get_secret_value()}"
        self._timeout = timeout_seconds
        self._attempts = attempts
        self._max_bytes = max_bytes
        self._pace = pace
        self._origins = origins
        self._ca_file = ca_file
        if ca_file is not None:
            self._session.verify = str(ca_file)
        self._sleep = sleep
        self._clock = clock
        self.calls = 0

    def close(self) -> None:
        self._session.close()

    @contextlib.contextmanager
    def fetch(
        self,
        url: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        form: Mapping[str, Any] | None = None,
    ) -> Iterator[Answer]:
        """GET, or POST when `form` is given. FetchError when it does not come to an answer."""
        self._admit(url)
        with nameless_file() as path:
            try:
                for attempt in Retrying(
                    retry=retry_if_exception_type(_Again),
                    stop=stop_after_attempt(self._attempts),
                    wait=self._wait,
                    sleep=self._sleep,
                    reraise=True,
                ):
                    with attempt:
                        saved = self._once(url, parameters, form, path)
            except _Again as failure:
                raise failure.error from None
            yield saved

    def _admit(self, url: str) -> None:
        """Documents of a source may name addresses: none leads to where the YAML does not."""
        parts = urlsplit(url)
        if self._origins is not None and (parts.scheme, parts.hostname) not in self._origins:
            raise FetchError("address_refused", without_secrets(url))
        if self._ca_file is not None:
            try:
                ssl.create_default_context(cafile=self._ca_file)
            except OSError as error:  # what OpenSSL finds wrong with it is one, too
                reason = error.strerror or type(error).__name__
                raise FetchError("ca_file_unreadable", f"{self._ca_file}: {reason}") from None

    @staticmethod
    def _wait(state: RetryCallState) -> float:
        failure = state.outcome.exception() if state.outcome else None
        asked = failure.wait_seconds if isinstance(failure, _Again) else None
        if asked is not None:
            return min(asked, _LONGEST_WAIT_SECONDS)
        return float(min(2.0 ** (state.attempt_number - 1), 30.0))

    def pause(self, seconds: float) -> None:
        """Wait, as an interface's own error asked for."""
        self._sleep(seconds)

    def _once(
        self,
        url: str,
        parameters: Mapping[str, Any] | None,
        form: Mapping[str, Any] | None,
        path: Path,
    ) -> Answer:
        if self._pace is not None:
            self._pace.wait()
        self.calls += 1
        address = without_secrets(url, parameters)
        try:
            with self._session.request(
                "GET" if form is None else "POST",
                url,
                params=parameters,
                data=form,
                timeout=(min(10.0, self._timeout), self._timeout),
                stream=True,
                allow_redirects=False,
            ) as response:
                self._check(response, address)
                return self._save(response, address, path)
        except requests.exceptions.SSLError as error:
            reason = _untrusted(error)
            if reason is None:
                raise _Again(FetchError("http_connection", f"{address}: SSLError")) from None
            detail = f"{address}: the certificate of the host is not trusted ({reason})"
            raise FetchError("http_connection", detail) from None
        except requests.Timeout:
            detail = f"{address} gave no answer within {self._timeout:g} s"
            raise _Again(FetchError("http_timeout", detail)) from None
        except (
            requests.ConnectionError,
            requests.exceptions.ChunkedEncodingError,
            requests.exceptions.ContentDecodingError,
        ) as error:
            # The text of the error may hold the full address, so only its kind is told.
            detail = f"{address}: {type(error).__name__}"
            raise _Again(FetchError("http_connection", detail)) from None
        except requests.RequestException as error:
            detail = f"{address}: {type(error).__name__}"
            raise FetchError("http_connection", detail) from None

    def _check(self, response: requests.Response, address: str) -> None:
        status = response.status_code
        if status in (401, 403):
            raise FetchError("http_unauthorised", f"{address} answered {status}")
        if status in _RETRIED_STATUSES:
            code = "http_rate_limited" if status == 429 else "http_server_error"
            raise _Again(
                FetchError(code, f"{address} answered {status}"),
                _retry_after(response.headers.get("Retry-After")),
            )
        if 300 <= status < 400:
            target = urlsplit(response.headers.get("Location", "")).netloc or "another path"
            raise FetchError("redirect_refused", f"{address} points to {target}")
        if status != 200:
            code = "http_server_error" if status >= 500 else "http_client_error"
            raise FetchError(code, f"{address} answered {status}", status=status)

    def _save(self, response: requests.Response, address: str, path: Path) -> Answer:
        digest = hashlib.sha256()
        size = 0
        deadline = self._clock() + max(600.0, self._timeout)
        with path.open("wb") as file:
            for chunk in response.iter_content(_CHUNK):
                size += len(chunk)
                if size > self._max_bytes:
                    limit = self._max_bytes // (1 << 20)
                    raise FetchError("answer_too_large", f"{address} exceeds {limit} MB")
                if self._clock() > deadline:
                    raise _Again(FetchError("http_timeout", f"{address} trickles"))
                digest.update(chunk)
                file.write(chunk)
        # urllib3 raises on fewer bytes than the length told, and on chunks without their last one.
        is_end_told = response.raw.chunked or response.raw.length_remaining is not None
        return Answer(
            address=address,
            path=path,
            sha256=digest.hexdigest(),
            size=size,
            content_type=response.headers.get("Content-Type", ""),
            is_end_told=is_end_told,
        )
