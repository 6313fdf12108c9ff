"""Failed logins are limited: Superset's own `AUTH_RATE_LIMIT` had no effect when tried.

The counters lie in memory that the workers share (the application is loaded before they fork).
"""

from __future__ import annotations

import hashlib
import multiprocessing
import time
from collections.abc import Callable
from typing import Any

_SLOTS = 4_096
_FORM_PATH = "/login/"
_API_PATH = "/api/v1/security/login"
_MESSAGE = (
    "Слишком много неудачных попыток входа. Подождите {minutes} мин. и попробуйте снова, "
    "либо обратитесь к администратору."
)


class LoginThrottle:
    """Counts failed logins per login and address, and per address, over a fixed window.

    `failures_per_login` and `failures_per_address` are whole numbers, `window_seconds` is the time
    after which a count begins anew. A refused attempt gets 429 with `Retry-After` in seconds.
    """

    def __init__(
        self,
        *,
        failures_per_login: int,
        failures_per_address: int,
        window_seconds: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._limits = (failures_per_login, failures_per_address)
        self._window = window_seconds
        self._clock = clock
        # Two numbers a slot: the start of the window and the failures in it.
        self._cells = multiprocessing.get_context("fork").Array("d", 2 * _SLOTS)

    def seconds_to_wait(self, login: str, address: str) -> int:
        """0 when another attempt is allowed, otherwise the seconds until it will be."""
        now = self._clock()
        waits = [0]
        with self._cells.get_lock():
            for slot, limit in zip(self._slots(login, address), self._limits, strict=True):
                started, failures = self._cells[slot], self._cells[slot + 1]
                left = started + self._window - now
                if failures >= limit and left > 0:
                    waits.append(int(left) + 1)
        return max(waits)

    def failed(self, login: str, address: str) -> None:
        """Counts one failed attempt."""
        now = self._clock()
        with self._cells.get_lock():
            for slot in self._slots(login, address):
                if self._cells[slot] + self._window <= now:
                    self._cells[slot], self._cells[slot + 1] = now, 0
                self._cells[slot + 1] += 1

    def succeeded(self, login: str, address: str) -> None:
        """Forgets the failures of this login from this address; those of the address stay."""
        slot = self._slots(login, address)[0]
        with self._cells.get_lock():
            self._cells[slot + 1] = 0

    def install(self, app: Any) -> None:
        """Puts the limit before and the count after the two ways to log in."""
        from flask import Response, request
        from flask_login import current_user

        def attempt() -> tuple[str, str] | None:
            if request.method != "POST" or request.path not in (_FORM_PATH, _API_PATH):
                return None
            if request.path == _API_PATH:
                body = request.get_json(silent=True)
                login = body.get("username", "") if isinstance(body, dict) else ""
            else:
                login = request.form.get("username", "")
            return str(login).strip().lower(), request.remote_addr or ""

        @app.before_request
        def refuse_when_too_many() -> Response | None:
            who = attempt()
            wait = self.seconds_to_wait(*who) if who else 0
            if not wait:
                return None
            return Response(
                _MESSAGE.format(minutes=-(-wait // 60)),
                status=429,
                headers={"Retry-After": str(wait)},
                mimetype="text/plain",
            )

        @app.after_request
        def count(response: Response) -> Response:
            who = attempt()
            if who and response.status_code != 429:
                is_in = (
                    response.status_code == 200
                    if request.path == _API_PATH
                    else current_user.is_authenticated
                )
                (self.succeeded if is_in else self.failed)(*who)
            return response

    def _slots(self, login: str, address: str) -> tuple[int, int]:
        return tuple(  # type: ignore[return-value]
            2 * (int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big") % _SLOTS)
            for key in (f"login\x1f{login}\x1f{address}", f"address\x1f{address}")
        )
